"""A process that waits for orders, seen from the server: started, spoken with, ended, and what is told of its death."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from modelforge import errors
from modelforge.errors import Fault, ModelForgeError
from modelforge.pipe import Message, Refused, Report
from modelforge.processes import signal_name

ENDING_S = 5.0
"""How long the process may take to end once its stdin is closed."""
LOG_LIMIT = 5_000_000
"""Bytes of the log above which the next process starts a new one and keeps this as ``.old``."""
LINE_LIMIT = 64 * 2**20
"""Bytes of the longest report: 32 768 tokens of text and then some."""

R = TypeVar("R", bound=Report)


class Child(Generic[R]):
    """One process, from its start to its end. Belongs to one event loop."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        name: str,
        read: Callable[[bytes], R | Refused],
        fault: type[Fault],
        log_path: Path,
        log_start: int,
    ) -> None:
        self._process = process
        self._name = name
        self._read = read
        self._fault = fault
        self._log_path = log_path
        self._log_start = log_start
        self._waiting: dict[int, asyncio.Queue[R | Refused]] = {}
        self._reason: str | None = None
        self.alive = True
        self.released = False
        """Whether it was told to end, through no fault of its own."""
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        name: str,
        read: Callable[[bytes], R | Refused],
        fault: type[Fault],
        log_path: Path,
    ) -> Child[R]:
        """``python -m modelforge.<module>``. ``name`` is what it is called in an error, ``fault`` what its death is,
        and ``read`` makes its reports out of lines."""
        log_path.parent.mkdir(parents=True, exist_ok=True)
        if log_path.exists() and log_path.stat().st_size > LOG_LIMIT:
            log_path.replace(log_path.with_name(log_path.name + ".old"))
        with log_path.open("ab") as log:
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                # -P: a file of the user's named like a library, in the folder that the server was started in, is none.
                *(sys.executable, "-P", "-m", f"modelforge.{module}", *arguments),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE_LIMIT,
            )
        return cls(process, name, read, fault, log_path, log_start)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._waiting

    @property
    def pid(self) -> int:
        return self._process.pid

    @asynccontextmanager
    async def conversation(
        self, number: int, farewell: Message | None = None
    ) -> AsyncIterator[asyncio.Queue[R | Refused]]:
        """The reports on one order; left early (the client went away), the ``farewell`` is said."""
        reports: asyncio.Queue[R | Refused] = asyncio.Queue()
        self._waiting[number] = reports
        try:
            if not self.alive:
                self._fail(number)
            yield reports
        except asyncio.CancelledError:
            if farewell is not None:
                self._write(farewell)
            raise
        finally:
            del self._waiting[number]

    async def expect(self, reports: asyncio.Queue[R | Refused], seconds: float, what: str) -> R | Refused:
        """The next report on an order; when it doesn't come in time the process is ended, for it hangs."""
        try:
            async with asyncio.timeout(seconds):
                return await reports.get()
        except TimeoutError:
            await self.end(f"{self._name} was ended: {what}", kill=True)
            return await reports.get()

    async def tell(self, message: Message) -> None:
        """Send an order. That the process died is not told here but by ``conversation``."""
        self._write(message)
        with suppress(ConnectionError):
            await self._pipe.drain()

    async def end(self, reason: str, *, kill: bool = False) -> None:
        """End the process, and tell those who wait why."""
        self._reason = self._reason or reason
        if kill:
            self._kill()
        else:
            self.released = True
        self._pipe.close()
        try:
            async with asyncio.timeout(ENDING_S):
                await asyncio.shield(self._listener)
        except TimeoutError:
            self._kill()
            await asyncio.shield(self._listener)

    @property
    def _pipe(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None
        return self._process.stdin

    def _write(self, message: Message) -> None:
        if self.alive and not self._pipe.is_closing():
            self._pipe.write(message.line())

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        """Hand reports to those who wait, until the process is gone; then tell those who are left."""
        assert self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                report = self._read(line)
                if report.id in self._waiting:
                    self._waiting[report.id].put_nowait(report)
        finally:
            self.alive = False
            # Its pipe is closed: if it is not gone by itself it never will be.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), ENDING_S)
            self._kill()
            await self._process.wait()
            for number in self._waiting:
                self._fail(number)

    def _fail(self, number: int) -> None:
        detail = self._reason or self._obituary()
        self._waiting[number].put_nowait(Refused(id=number, error=self._fault.__name__, detail=detail))

    def _obituary(self) -> str:
        code = self._process.returncode
        if code is None:
            how = "is ending"
        elif code < 0:
            how = f"was ended by {signal_name(-code)}"
            if signal_name(-code) == "SIGKILL":
                how += " (by the system, if memory ran out)"
        else:
            how = f"ended with exit code {code}"
        last = _last_line(self._log_path, self._log_start)
        said = f"its last line was: {last}" if last else "it had said nothing"
        return f"{self._name} {how}; {said} ({self._log_path}). The next request starts a new one."


def error_of(refusal: Refused) -> ModelForgeError:
    """What the process was refused with, to be raised here."""
    return _ERRORS[refusal.error](refusal.detail)


def _last_line(path: Path, start: int) -> str | None:
    """The last line that is not blank after byte ``start``, at most 300 characters of it."""
    try:
        with path.open("rb") as log:
            log.seek(max(start, path.stat().st_size - 10_000))
            lines = log.read().decode(errors="replace").split("\n")
    except OSError:
        return None
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), None)


_ERRORS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, ModelForgeError)
}
