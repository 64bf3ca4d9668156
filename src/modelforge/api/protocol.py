"""What uvicorn itself says to clients, brought into the contract's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from modelforge.api.errors import answer
from modelforge.api.headers import HEADERS
from modelforge.errors import InvalidRequest

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class Http(H11Protocol):
    """HTTP/1.1 in pure Python, whichever others are installed: it refuses what is no HTTP at all in one place."""

    def send_400_response(self, msg: str) -> None:
        told = answer(InvalidRequest("the request is no well-formed HTTP/1.1"), {**HEADERS, "Connection": "close"})
        for event in (
            h11.Response(status_code=told.status_code, headers=told.raw_headers, reason=b"Bad Request"),
            h11.Data(data=bytes(told.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Socket(WebSocketsSansIOProtocol):
    """WebSockets, whose refusal is an answer like any other: uvicorn would log each as a fault of the application."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True
