"""The application in this process as httpx reaches it: answers come as they are sent, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


class InsideTransport(httpx.AsyncBaseTransport):
    """httpx's own, ASGITransport, waits for the end of an answer before it gives any of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, as soon as its headers are there. Raises what the application raises before that."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        exchange = _Exchange(aiter(request.stream))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 0),
            "root_path": "",
        }
        running = asyncio.create_task(self._run(scope, exchange))
        start = await exchange.sent.get()
        if start is None:
            await running  # which raises
            raise RuntimeError("the application gave no answer")
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(exchange, running))

    async def _run(self, scope: dict[str, Any], exchange: _Exchange) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            exchange.sent.put_nowait(None)


class _Exchange:
    """A request and what is sent to it."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body: AsyncIterator[bytes] | None = body
        self.sent: asyncio.Queue[Message | None] = asyncio.Queue()
        """What the application sends; None when it has ended."""
        self.left = asyncio.Event()
        """Set when nobody reads on."""

    async def receive(self) -> Message:
        if self._body is None:
            await self.left.wait()
            return {"type": "http.disconnect"}
        piece = await anext(self._body, None)
        if piece is None:
            self._body = None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(self, message: Message) -> None:
        self.sent.put_nowait(message)


class _Body(httpx.AsyncByteStream):
    def __init__(self, exchange: _Exchange, running: asyncio.Task[None]) -> None:
        self._exchange = exchange
        self._running = running

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self._exchange.sent.get()) is not None:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body", False):
                return

    async def aclose(self) -> None:
        """Tell the application that nobody reads on, and wait for its end. Raises what it raised."""
        self._exchange.left.set()
        await self._running
