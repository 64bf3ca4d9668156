"""A simulated machine: its clock and its processes. Hours of it pass in seconds, and the same way each time.

What is real runs on it unchanged: an event loop whose time is the machine's, threads that are done at once, and
processes that are generators. They act when their moment has come, and yield the seconds until their next act, or the
process whose end they wait for.
"""

from __future__ import annotations

import asyncio
import selectors
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Life = Generator["float | Process", None, int | None]
"""What a process does; it returns its exit code, None for 0."""
KILLED = -9


@dataclass(eq=False)
class Process:
    """One process; also what ``subprocess.Popen`` is to its parent."""

    machine: Machine
    pid: int
    identity: str
    environment: Mapping[str, str]
    life: Life
    due: float
    parent: Process | None = None
    ended: int | None = None
    """As ``Popen.returncode``."""
    waits_for: Process | None = None

    def poll(self) -> int | None:
        return self.ended

    def wait(self, timeout: float = 60.0) -> int:
        end = self.machine.now + timeout
        while self.ended is None:
            if self.machine.now >= end:
                raise subprocess.TimeoutExpired(["process"], timeout)
            self.machine.advance(self.machine.now + 0.01)
        return self.ended


class Machine:
    """A clock, a table of processes, and programs that can be started."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.boots = 0
        self.table: dict[int, Process] = {}
        self.program: Callable[[Process, Sequence[str]], Life] | None = None
        self._next_pid = 10_000_000  # no number that a real process could have
        self._started = 0

    @property
    def living(self) -> list[Process]:
        return [process for process in self.table.values() if process.ended is None]

    def start(self, life: Life, environment: Mapping[str, str], *, parent: Process | None = None) -> Process:
        """A process of the next free number."""
        while (old := self.table.get(self._next_pid)) is not None and old.ended is None:
            self._next_pid += 1
        process = self.start_as(self._next_pid, life, environment, parent=parent)
        self._next_pid += 1
        return process

    def start_as(
        self, pid: int, life: Life, environment: Mapping[str, str], *, parent: Process | None = None
    ) -> Process:
        """A process of a number that was another's before."""
        self._started += 1
        process = Process(self, pid, f"{self.boots}:{self._started}", environment, life, self.now, parent)
        self.table[pid] = process
        return process

    def end(self, process: Process, code: int) -> None:
        """It is no more, by its own doing or another's; what it had begun stays as it is."""
        if process.ended is not None:
            return
        process.ended = code
        process.life.close()
        for waiting in self.living:
            if waiting.waits_for is process:
                waiting.waits_for, waiting.due = None, self.now + 0.01

    def reboot(self) -> None:
        """Everything ends at once, and numbers are given from the beginning."""
        for process in self.living:
            process.ended = KILLED
            process.life.close()
        self.table.clear()
        self.boots += 1
        self._next_pid = 10_000_000

    def advance(self, until: float) -> None:
        """Let everything happen that is due by then."""
        while True:
            acting = [process for process in self.living if process.waits_for is None and process.due <= until]
            if not acting:
                break
            process = min(acting, key=lambda each: each.due)
            self.now = max(self.now, process.due)
            self._act(process)
        self.now = max(self.now, until)

    def _act(self, process: Process) -> None:
        try:
            wanted = next(process.life)
        except StopIteration as end:
            self.end(process, end.value or 0)
        except OSError:
            self.end(process, 1)
        else:
            if not isinstance(wanted, Process):
                process.due = self.now + wanted
            elif wanted.ended is None:
                process.waits_for = wanted

    # What ``modelforge.processes`` knows of a real machine.

    def spawn(self, argv: Sequence[str], env: Mapping[str, str], **_: Any) -> Process:
        assert self.program is not None
        process = self.start(iter_life(), dict(env))
        process.life = self.program(process, argv)
        return process

    def start_identity(self, pid: int) -> str | None:
        process = self.table.get(pid)
        return process.identity if process is not None and process.ended is None else None

    def carries(self, pid: int, name: str, value: str) -> bool:
        return self.start_identity(pid) is not None and self.table[pid].environment.get(name) == value

    def find_by_environment(self, name: str, value: str) -> list[int]:
        return [process.pid for process in self.living if process.environment.get(name) == value]

    def kill_tree(self, pid: int) -> None:
        root = self.table.get(pid)
        if root is None or root.ended is not None:
            return
        for child in [process for process in self.living if process.parent is root]:
            self.kill_tree(child.pid)
        self.end(root, KILLED)


def iter_life() -> Life:
    """A process that does nothing and never ends."""
    while True:
        yield 1e9


class MachineLoop(asyncio.SelectorEventLoop):
    """An event loop on the machine's clock: where it would sleep, the machine's time passes instead."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        super().__init__(_Sleepless(machine))

    def time(self) -> float:
        return self._machine.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """Done at once, in the only thread that there is."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed on to whoever awaits it
            future.set_exception(error)
        return future

    def iterate(self, times: int) -> None:
        """So many rounds of the loop, and then no further: a place between any two awaits can be reached."""
        for _ in range(times):
            self.call_soon(self.stop)
            self.run_forever()


class _Sleepless(selectors.DefaultSelector):
    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            assert timeout is not None, "everybody waits for somebody else"
            self._machine.advance(self._machine.now + timeout)
        return ready


async def run_sync(func: Callable[..., Any], *args: Any, **_: Any) -> Any:
    """In the place of ``anyio.to_thread.run_sync``."""
    await asyncio.sleep(0)
    return func(*args)
