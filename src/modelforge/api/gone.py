"""Work for a request ends when nobody waits for its answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.requests import Request

from modelforge.errors import InvalidRequest

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""How often it is looked whether the client still waits."""


async def unless_gone(http: Request, answer: Coroutine[None, None, T]) -> T:
    """The answer; its work is cancelled when the client hangs up, so that nobody waits behind it."""
    work = asyncio.create_task(answer)
    try:
        while not (await asyncio.wait([work], timeout=LOOK_SECONDS))[0]:
            if await http.is_disconnected():
                raise InvalidRequest("the client went away before its answer was complete")
        return work.result()
    finally:
        work.cancel()
