"""A version that is being kept is there or not, whoever cancels what."""

from __future__ import annotations

import asyncio

import pytest

from modelforge.api.revise import finished, in_words


def test_what_is_being_kept_is_kept() -> None:
    async def run() -> int:
        begun, ends = asyncio.Event(), asyncio.Event()

        async def keep() -> int:
            begun.set()
            await ends.wait()
            return 7

        task = asyncio.create_task(finished(keep()))
        await begun.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        ends.set()
        return await task

    assert asyncio.run(run()) == 7


def test_what_fails_is_told() -> None:
    async def broken() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(finished(broken()))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((0, 0, 0), "0 rows changed"),
        ((1, 0, 0), "1 row removed"),
        ((12, 3, 0), "12 rows removed, 3 changed"),
        ((0, 0, 2), "2 rows added"),
    ],
)
def test_counts_in_words(counts: tuple[int, int, int], words: str) -> None:
    assert in_words(dict(zip(("removed", "changed", "added"), counts, strict=True))) == words
