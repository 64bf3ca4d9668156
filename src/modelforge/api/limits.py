"""A bound for what a request may bring, so that no client fills the server's memory."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelforge.api.errors import answer
from modelforge.errors import TooLarge

MAX_BODY = 8_000_000
"""Bytes. The largest field is a prompt of a million letters, and JSON may write a letter with six bytes."""
STREAMED = "/api/upload_dataset"
"""Goes to the disk piece by piece, with a bound of its own."""


class BodyLimit:
    """ASGI middleware: gathers a body before the app sees it, and refuses one that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].removeprefix(scope.get("root_path", "")) == STREAMED:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        # int() refuses thousands of digits with an error of its own.
        large = announced.isdecimal() and (len(announced) > 18 or int(announced) > MAX_BODY)
        first = None if large else await _gather(receive)
        if first is None:
            refusal = TooLarge(f"the request's body has more than {MAX_BODY / 1e6:g} MB; data goes to POST {STREAMED}")
            await answer(refusal, {"Connection": "close"})(scope, receive, send)
            return
        waiting: list[Message] = [first]

        async def gathered() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, gathered, send)


async def _gather(receive: Receive) -> Message | None:
    """The whole body as one message, or the message that the client went away; None for one that is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}
