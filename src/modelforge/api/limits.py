"""Bounds for what a request may bring, so that no client fills the server's memory or its parser's stack."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelforge.api.errors import answer
from modelforge.errors import InvalidRequest, TooLarge

MAX_BODY = 8_000_000
"""Bytes. The largest field is a prompt of a million letters, and JSON may write a letter with six bytes."""
MAX_DEPTH = 100
"""Lists and objects of JSON within each other, as in a dataset's line. No request of ours has more than three."""
# To the body's end where nothing closes it, and without a second try anywhere: a body may be made to be slow.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
PLAIN_UPLOAD = "/api/upload_dataset"
PIECES = "/api/uploads/"


class BodyLimit:
    """ASGI middleware: gathers a body before the app sees it, and refuses one that is too large or too deep."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_streamed(scope):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        # int() refuses thousands of digits with an error of its own.
        large = announced.isdecimal() and (len(announced) > 18 or int(announced) > MAX_BODY)
        first = None if large else await _gather(receive)
        if first is None:
            refusal = TooLarge(
                f"the request's body has more than {MAX_BODY / 1e6:g} MB; data goes to POST {PLAIN_UPLOAD}"
            )
            await answer(refusal, {"Connection": "close"})(scope, receive, send)
            return
        fault = _fault(first.get("body", b""))
        if fault is not None:
            await answer(InvalidRequest(fault))(scope, receive, send)
            return
        waiting: list[Message] = [first]

        async def gathered() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, gathered, send)


def _is_streamed(scope: Scope) -> bool:
    """Whether the body goes to the disk as it comes, with a bound of its own."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path == PLAIN_UPLOAD or (scope["method"] == "PATCH" and path.startswith(PIECES))


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


def _fault(body: bytes) -> str | None:
    """What keeps a body from being parsed at all."""
    if b"\0" in body:  # as in UTF-16, which Python's parser takes, and in which brackets can hide
        return "the body is not JSON in UTF-8: it holds a NUL byte"
    return f"the body's lists or objects are nested more than {MAX_DEPTH} levels deep" if is_deep(body) else None


def is_deep(body: bytes) -> bool:
    """Whether JSON has more than MAX_DEPTH lists and objects within each other. Without a step of Python's for every
    letter: this is asked on the event loop."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", body).translate(_ONE_KIND, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH):
        # The innermost go, and what stood around them is innermost then.
        before, brackets = brackets, brackets.replace(b"[]", b"")
        if before == brackets:
            # What is left has no other half, for the parser to tell; a tower of it is not for the parser.
            return brackets.count(b"[") > MAX_DEPTH
    return b"[" in brackets
