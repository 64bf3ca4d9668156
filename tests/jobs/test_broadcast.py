"""Whatever a listener has seen, it is told all that came later, once, in order."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.contracts.job import MetricPoint, StreamMessage, TrainingStatus
from modelforge.jobs import broadcast
from modelforge.jobs.broadcast import Broadcast, Changes, messages
from tests.jobs.machine import Machine, MachineLoop

KINDS = st.lists(st.sampled_from(["point", "state", "progress"]), max_size=60)


def told_by(kinds: list[str], batch: int) -> Broadcast:
    """A broadcast of such changes, numbered from 1, published in batches."""
    told = Broadcast(TrainingStatus(status="idle"), 0)
    for start in range(0, len(kinds), batch):
        points, states = [], []
        for seq, kind in enumerate(kinds[start : start + batch], start + 1):
            if kind == "point":
                points.append(MetricPoint(seq=seq, job_id="j", attempt=1, step=seq, loss=1.0))
            if kind == "state":
                states.append(TrainingStatus(status="training", seq=seq))
        last = min(start + batch, len(kinds))
        told.publish(TrainingStatus(status="training", seq=last), Changes(points, states))
    return told


@given(KINDS, st.integers(1, 10), st.integers(0, 60))
def test_nothing_is_missed_and_nothing_comes_twice(kinds: list[str], batch: int, after: int) -> None:
    told = told_by(kinds, batch)
    after = min(after, told.seq)
    changes = told.since(after)
    assert changes is not None
    sent = messages(changes, told.status)
    seqs = [message.seq for message in sent]
    assert seqs == sorted(seqs)
    assert [point.seq for message in sent for point in message.points] == [
        seq for seq, kind in enumerate(kinds, 1) if kind == "point" and seq > after
    ]
    for message in sent:
        assert all(point.seq <= message.seq for point in message.points)
    states = [seq for seq, kind in enumerate(kinds, 1) if kind == "state" and seq > after]
    assert set(states) <= set(seqs)
    if told.seq > after:
        assert seqs[-1] == told.seq


def test_what_many_have_seen_is_written_once() -> None:
    told = told_by(["state", "point", "point"], 3)
    texts = told.texts_since(1)
    assert texts is not None
    changes = told.since(1)
    assert changes is not None
    assert [StreamMessage.model_validate_json(text) for text in texts] == messages(changes, told.status)
    again = told.texts_since(1)
    assert again is not None and again[0] is texts[0]
    other = told.texts_since(2)
    assert other is not None and [point.seq for point in StreamMessage.model_validate_json(other[0]).points] == [3]
    told.publish(TrainingStatus(status="completed", seq=4), Changes([], []))
    later = told.texts_since(1)
    assert later is not None and StreamMessage.model_validate_json(later[-1]).status == "completed"


def test_few_written_messages_are_kept() -> None:
    told = told_by(["point"] * 100, 100)
    for seq in range(100):
        told.texts_since(seq)
    assert len(told._written) <= broadcast.WRITTEN


@given(st.integers(1, 5), st.integers(0, 40))
def test_what_memory_no_longer_holds_is_not_passed_over(kept: int, after: int) -> None:
    before = broadcast.KEPT
    try:
        broadcast.KEPT = kept
        told = told_by(["point"] * 40, 4)
        changes = told.since(after)
        if changes is not None:
            assert [point.seq for point in changes.points] == list(range(after + 1, 41))
        else:
            assert 40 - after > kept
    finally:
        broadcast.KEPT = before


def test_long_gaps_come_in_bounded_messages() -> None:
    told = told_by(["point"] * 2500, 100)
    changes = told.since(0)
    assert changes is not None
    sent = messages(changes, told.status)
    assert [len(message.points) for message in sent] == [1000, 1000, 500]
    assert [message.seq for message in sent] == [1000, 2000, 2500]


def test_an_older_jobs_status_does_not_take_the_place_of_the_newest() -> None:
    told = told_by(["state", "point"], 2)
    newest = told.status
    told.publish(TrainingStatus(status="stopped", seq=1), Changes([], []))
    assert (told.status, told.seq) == (newest, 2)


def test_waiting_ends_with_a_change() -> None:
    async def listen() -> None:
        told = Broadcast(TrainingStatus(status="idle"), 0)
        waiting = asyncio.create_task(told.wait_after(0))
        await asyncio.sleep(0)
        assert not waiting.done()
        told.publish(TrainingStatus(status="queued", seq=1), Changes([], []))
        await asyncio.wait_for(waiting, 1)

    asyncio.run(listen())


def test_few_are_told_ten_times_a_second_and_many_together() -> None:
    told = Broadcast(TrainingStatus(status="idle"), 0)
    told.listeners = 10
    assert told.beat == broadcast.MESSAGE_SECONDS
    # Four times as many as can be told ten times a second, who came at different moments.
    told.listeners = int(4 * broadcast.MESSAGES_A_SECOND * broadcast.MESSAGE_SECONDS)
    assert told.beat == pytest.approx(4 * broadcast.MESSAGE_SECONDS)

    loop = MachineLoop(Machine())

    async def moments() -> list[float]:
        async def listen(late: float) -> float:
            await asyncio.sleep(late)
            await told.pause()
            began = loop.time()
            await told.pause()
            assert loop.time() - began >= broadcast.MESSAGE_SECONDS
            return loop.time()

        return await asyncio.gather(*(listen(late) for late in (0.0, 0.07, 0.15, 0.31)))

    found = loop.run_until_complete(moments())
    loop.close()
    # All at a beat: those who came late in one wait for the one after the next.
    beats = [moment / told.beat for moment in found]
    assert beats == pytest.approx([round(beat) for beat in beats], abs=1e-6)
    assert max(beats) - min(beats) == pytest.approx(1)
