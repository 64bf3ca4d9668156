"""Work on data that goes on after its request was answered: how it ends, and how much of it there may be."""

from __future__ import annotations

import asyncio
import errno

import pytest

from modelforge.api import operations
from modelforge.api.operations import Operations
from modelforge.contracts.base import Contract
from modelforge.contracts.operation import Operation
from modelforge.datasets.stages import Progress
from modelforge.errors import Conflict


class Result(Contract):
    """Of no interest."""


async def ended(works: Operations, operation: Operation) -> Operation:
    while works.get(operation.id).status == "running":
        await asyncio.sleep(0.001)
    return works.get(operation.id)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "Disk full: the disk of the home folder is full. Make room"),
        (ValueError("x"), "Internal error: something of ours broke; the server's log says what"),
        (Conflict("half a pair: \ud83d"), "Conflict: half a pair: \\ud83d"),
    ],
)
def test_how_it_fails_is_told(fault: Exception, said: str) -> None:
    async def work(progress: Progress) -> Contract:
        raise fault

    async def story() -> Operation:
        works = Operations()
        return await ended(works, works.start("fix", "faq.jsonl", work))

    operation = asyncio.run(story())
    assert (operation.status, operation.error) == ("failed", said)


def test_no_more_may_wait_than_the_server_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "OPEN", 3)

    async def story() -> None:
        works, go = Operations(), asyncio.Event()

        async def work(progress: Progress) -> Contract:
            await go.wait()
            return Result()

        begun = [works.start("fix", "faq.jsonl", work) for _ in range(3)]
        with pytest.raises(Conflict, match="3 operations run or wait already"):
            works.start("fix", "faq.jsonl", work)
        await works.cancel(begun[0].id)
        begun.append(works.start("fix", "faq.jsonl", work))
        go.set()
        assert [(await ended(works, each)).status for each in begun] == ["cancelled", *["completed"] * 3]
        await works.close()

    asyncio.run(story())
