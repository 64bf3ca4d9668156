"""Server-Sent Events: an answer that goes on, one event after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from modelforge.contracts.base import Contract

HEARTBEAT_SECONDS = 10.0
"""Between two signs of life: proxies close what is silent for longer, nginx after a minute."""
HEARTBEAT = b": the server is there\n\n"
HEADERS = {
    "Cache-Control": "no-store",
    # nginx would gather an answer before it sends it on.
    "X-Accel-Buffering": "no",
}


def event(name: str, data: BaseModel) -> bytes:
    """One event. JSON holds no line break, which would end its data."""
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()


def events_of(kind: type[Contract]) -> dict[str, Any]:
    """What a route's documentation says of its events; the schema knows the type by ``openapi.SENT``."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"description": "Events", "content": {EventStream.media_type: {"schema": schema}}}


class EventStream(StreamingResponse):
    """Sends events as they come, and signs of life between them."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], close: Callable[[], object]) -> None:
        """``close`` is called at the end, and when the client goes away: at once, whatever is waited for then."""
        super().__init__(_kept_alive(events), headers=HEADERS)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


async def _kept_alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    coming: asyncio.Future[bytes] = asyncio.ensure_future(anext(events))
    try:
        while True:
            if not (await asyncio.wait([coming], timeout=HEARTBEAT_SECONDS))[0]:
                yield HEARTBEAT
                continue
            try:
                told = coming.result()
            except StopAsyncIteration:
                return
            yield told
            coming = asyncio.ensure_future(anext(events))
    finally:
        coming.cancel()
