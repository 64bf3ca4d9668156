"""What listeners are told: the present status, and what changed since any sequence number."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeVar

from modelforge.contracts.job import JobStatus, MetricPoint, StreamMessage, TrainingStatus

T = TypeVar("T", MetricPoint, JobStatus)

KEPT = 4_000
"""Changes kept in memory, 2.6 kB each (measured); a listener that is further behind gets them from the database."""
POINTS_PER_MESSAGE = 1000
MESSAGE_SECONDS = 0.1
"""Between two messages to one listener: at most ten a second."""
MESSAGES_A_SECOND = 200
"""To all listeners together. Each costs 0.1 ms here and as much at a client of the same machine, which trains: more
listeners are told as much, in fewer messages (benchmarks/load.py)."""
WRITTEN = 16
"""Messages that are kept as they were written, for the next listener who has seen the same."""


@dataclass(frozen=True)
class Changes:
    """A run of changes: points, and the status at each change of state, both by rising ``seq``."""

    points: Sequence[MetricPoint]
    states: Sequence[JobStatus]


class Broadcast:
    """The present status and the recent changes. Belongs to one event loop.

    Listeners hold a sequence number and ask for what came after it, so a slow one costs nothing but its own delay.
    """

    def __init__(self, status: JobStatus, seq: int) -> None:
        self.status = _present(status, seq, queue_seq=seq)
        self.listeners = 0
        """How many listen now."""
        self._points: deque[MetricPoint] = deque(maxlen=KEPT)
        self._states: deque[JobStatus] = deque(maxlen=KEPT)
        self._oldest = seq
        self._changed = asyncio.Event()
        self._written: dict[int, str] = {}

    @property
    def seq(self) -> int:
        """The number up to which listeners are told."""
        return self.status.seq

    def publish(self, status: JobStatus, changes: Changes) -> None:
        """Take over what was committed to the database. A status that is older than the present one changes nothing: a
        job ended long ago, and only now its worker's end is written down."""
        for queue, new in ((self._points, changes.points), (self._states, changes.states)):
            overflow = len(queue) + len(new) - KEPT
            if overflow > 0:
                dropped = [*queue, *new][:overflow]
                self._oldest = max(self._oldest, dropped[-1].seq)
        self._points.extend(changes.points)
        self._states.extend(changes.states)
        if status.seq >= self.seq:
            self.status = _present(status, status.seq, self.status.queue_seq)
        self._wake()

    def queue_changed(self, seq: int) -> None:
        """A job has entered or left the queue, or was moved in it, by the change with that number."""
        if seq > self.status.queue_seq:
            self.status = _present(self.status, max(seq, self.seq), queue_seq=seq)
            self._wake()

    def _wake(self) -> None:
        self._written.clear()
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def beat(self) -> float:
        """Seconds between two messages to one listener."""
        return max(MESSAGE_SECONDS, self.listeners / MESSAGES_A_SECOND)

    async def pause(self) -> None:
        """Between two messages. Many listeners are told at the same moments: a core that is called away from the
        training 200 times a second costs it more than one that is away once for as long."""
        beat = left = self.beat
        if beat > MESSAGE_SECONDS:
            left -= asyncio.get_running_loop().time() % beat
            # Whoever was told shortly before a beat has been told enough for that one.
            left += beat if left < beat / 2 else 0.0
        await asyncio.sleep(max(MESSAGE_SECONDS, left))

    async def wait_after(self, seq: int) -> None:
        """Return as soon as there is something newer than ``seq``."""
        while self.seq <= seq:
            await self._changed.wait()

    def texts_since(self, seq: int) -> Sequence[str] | None:
        """What came after ``seq`` as JSON, a text for each message; None when that is no longer all in memory.

        Nearly all listeners have seen the same, so what is one message is written once for all of them.
        """
        if seq in self._written:
            return [self._written[seq]]
        changes = self.since(seq)
        if changes is None:
            return None
        texts = [message.model_dump_json() for message in messages(changes, self.status)]
        if len(texts) == 1 and len(self._written) < WRITTEN:
            self._written[seq] = texts[0]
        return texts

    def since(self, seq: int) -> Changes | None:
        """What came after ``seq``; None when that is no longer all in memory."""
        if seq < self._oldest:
            return None
        return Changes(
            points=_newer(self._points, seq),
            states=_newer(self._states, seq),
        )


def _newer(queue: deque[T], seq: int) -> list[T]:
    """What came after ``seq``, looked for from the newest end: listeners are rarely far behind."""
    newer = list(takewhile(lambda change: change.seq > seq, reversed(queue)))
    newer.reverse()
    return newer


def messages(changes: Changes, status: TrainingStatus) -> list[StreamMessage]:
    """The changes as messages: one for every change of state, and one for where it stands now.

    A message's ``seq`` covers every point up to it, so a client that gives it back as ``after`` misses nothing.
    """
    told: list[StreamMessage] = []
    waiting = deque(changes.points)
    for state in [*changes.states, status]:
        points: list[MetricPoint] = []
        while waiting and waiting[0].seq <= state.seq:
            points.append(waiting.popleft())
            if len(points) == POINTS_PER_MESSAGE and waiting:
                told.append(_message(state, points, points[-1].seq, status.queue_seq))
                points = []
        if points or not told or state.seq > told[-1].seq:
            told.append(_message(state, points, state.seq, status.queue_seq))
    return told


def _message(status: JobStatus, points: list[MetricPoint], seq: int, queue_seq: int) -> StreamMessage:
    return StreamMessage(**{**status.model_dump(), "seq": seq, "queue_seq": queue_seq}, points=points)


def _present(status: JobStatus, seq: int, queue_seq: int) -> TrainingStatus:
    return TrainingStatus(**{**status.model_dump(), "seq": seq, "queue_seq": queue_seq})
