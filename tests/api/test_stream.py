"""What listeners of the WebSocket are sent, by a clock that passes as fast as it can."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from modelforge.api.stream import _send
from modelforge.contracts.job import JobState, MetricPoint, TrainingStatus
from modelforge.jobs.broadcast import Broadcast, Changes
from tests.jobs.machine import Machine, MachineLoop

SECONDS = 20


class Listener:
    """In the place of a WebSocket."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def send_text(self, text: str) -> None:
        self.messages.append(json.loads(text))


@pytest.mark.parametrize(("count", "a_second"), [(1, 10), (40, 10), (200, 2)])
def test_many_listeners_are_told_as_much_in_fewer_messages(count: int, a_second: int) -> None:
    loop = MachineLoop(Machine())
    broadcast = Broadcast(TrainingStatus(status="idle"), 0)
    listeners = [Listener() for _ in range(count)]
    points = range(1, SECONDS * 20 + 1)

    async def story() -> None:
        database: Any = None  # nobody is that far behind
        sending = [asyncio.create_task(_send(each, broadcast, database, None)) for each in listeners]  # type: ignore[arg-type]
        for seq in points:
            await asyncio.sleep(0.05)
            point = MetricPoint(seq=seq, job_id="j", attempt=1, step=seq, loss=1.0)
            broadcast.publish(TrainingStatus(status=JobState.TRAINING, seq=seq), Changes([point], []))
        await asyncio.sleep(2)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    loop.run_until_complete(story())
    loop.close()
    for listener in listeners:
        assert [point["seq"] for message in listener.messages for point in message["points"]] == list(points)
    sent = sum(len(listener.messages) for listener in listeners)
    assert sent <= count * (2 + a_second * SECONDS)
    assert broadcast.listeners == 0
