"""Work on data that goes on after its request was answered: its progress, its result, its end."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from modelforge.contracts.base import Contract, now
from modelforge.contracts.operation import Operation, OperationKind
from modelforge.datasets.stages import Progress
from modelforge.errors import Conflict, DiskFull, ModelForgeError, NotFound
from modelforge.files import is_disk_full

log = logging.getLogger(__name__)

KEPT = 100
"""Ended ones that are still told of."""
OPEN = 100
"""That run or wait: each holds what it was asked, which may be megabytes."""
AT_ONCE = 2
"""That run; the others wait. Each is a process that reads as fast as it can."""


@dataclass(slots=True)
class _Work:
    operation: Operation
    task: asyncio.Task[None] | None = None


class Operations:
    """All that run, and the newest that ended. Belongs to one event loop.

    They end with the server: nothing that one does shows before it is done, so one that was cut off is begun anew.
    """

    def __init__(self) -> None:
        self._works: dict[str, _Work] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def start(self, kind: OperationKind, dataset: str, work: Callable[[Progress], Awaitable[Contract]]) -> Operation:
        """Begin ``work``, which is given where to tell its progress; what it returns becomes the result.

        Raises Conflict where too many wait already.
        """
        if sum(entry.operation.status == "running" for entry in self._works.values()) >= OPEN:
            raise Conflict(f"{OPEN} operations run or wait already: wait for some of them, or cancel them")
        operation = Operation(
            id=f"op_{secrets.token_hex(6)}", kind=kind, dataset=dataset, status="running", started_at=now()
        )
        entry = self._works[operation.id] = _Work(operation)
        entry.task = asyncio.create_task(self._run(entry, work))
        self._forget()
        return operation

    def get(self, id: str) -> Operation:
        """Raises NotFound."""
        if id not in self._works:
            raise NotFound(f"there is no operation '{id}': it ended long ago, or with an earlier server. Begin it anew")
        return self._works[id].operation

    def all(self) -> list[Operation]:
        """Newest first."""
        return [entry.operation for entry in reversed(self._works.values())]

    async def cancel(self, id: str) -> Operation:
        """End it, if it still runs; returns when its process is gone. Raises NotFound."""
        self.get(id)
        await self._end(self._works[id])
        return self.get(id)

    async def close(self) -> None:
        """End all."""
        for entry in list(self._works.values()):
            await self._end(entry)

    async def _end(self, entry: _Work) -> None:
        if entry.task is not None and not entry.task.done():
            entry.task.cancel()
            with suppress(asyncio.CancelledError):
                await entry.task
            if entry.operation.status == "running":  # cancelled before its first step, it never came to its end
                entry.operation = entry.operation.model_copy(update={"status": "cancelled"})

    async def _run(self, entry: _Work, work: Callable[[Progress], Awaitable[Contract]]) -> None:
        def tell(share: float, message: str) -> None:
            entry.operation = entry.operation.model_copy(update={"progress": share, "message": message})

        def end(**changes: object) -> None:
            entry.operation = entry.operation.model_copy(update={"message": "", **changes})

        tell(0.0, "waiting for its turn")
        try:
            async with self._turns:
                tell(0.0, "reading")
                result = await work(tell)
        except asyncio.CancelledError:
            end(status="cancelled")
            raise
        except ModelForgeError as error:
            # Names out of files may hold half a surrogate pair, which cannot be sent.
            detail = error.detail.encode("utf-8", "backslashreplace").decode()
            end(status="failed", error=f"{error.error}: {detail}")
        except Exception as error:  # an edge: nobody awaits this task
            if is_disk_full(error):
                end(status="failed", error=f"{DiskFull.error}: the disk of the home folder is full. Make room")
                return
            log.exception("operation %s (%s) broke", entry.operation.id, entry.operation.kind)
            end(status="failed", error="Internal error: something of ours broke; the server's log says what")
        else:
            end(status="completed", progress=1.0, result=result.model_dump(mode="json"))

    def _forget(self) -> None:
        ended = [id for id, entry in self._works.items() if entry.operation.status != "running"]
        for id in ended[: max(0, len(ended) - KEPT)]:
            del self._works[id]
