"""Who holds the device that trains: one run, or inference. And who gives memory up when a run starts.

A run comes first. When it starts, inference gives all of its memory up, whatever the device is. Until the run has
ended, inference answers on the CPU where the device is a GPU; where it is the CPU, the two share main memory, of which
inference takes a part of what is free when it starts again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from modelforge.errors import Conflict
from modelforge.hardware import Device


class DeviceLease:
    """The one device of this machine that runs train on. Belongs to one event loop."""

    def __init__(self, device: Device) -> None:
        self.device: Device = device
        self._runs: set[str] = set()
        self._make_way: list[Callable[[], Awaitable[None]]] = []

    def asks(self, make_way: Callable[[], Awaitable[None]]) -> None:
        """What is asked of who holds memory when a run needs the device: to return when it is free."""
        self._make_way.append(make_way)

    async def take(self, job_id: str) -> None:
        """Give the device to a run that is about to start. Raises Conflict while another one has it."""
        if self._runs - {job_id}:
            raise Conflict(f"the device ({self.device}) is held by {', '.join(sorted(self._runs))}")
        self.hold(job_id)
        for make_way in self._make_way:
            await make_way()

    def hold(self, job_id: str) -> None:
        """Note that a run has the device already: an earlier server gave it to it."""
        self._runs.add(job_id)

    def give_back(self, job_id: str) -> None:
        """The run has ended."""
        self._runs.discard(job_id)

    @property
    def for_inference(self) -> Device:
        """Where a model that answers may be loaded now."""
        return "cpu" if self._runs else self.device
