"""The api process's side of the playground: it starts the inference process when it is needed and speaks for it."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from modelforge import errors
from modelforge.computing import computing_environment
from modelforge.contracts.playground import GenerateReply, GenerateRequest
from modelforge.errors import InferenceFault, ModelForgeError
from modelforge.inference.protocol import (
    REPORTS,
    Answered,
    Cancel,
    Evict,
    Generate,
    Loaded,
    Message,
    ModelTarget,
    Refused,
    Report,
    Started,
)
from modelforge.lease import DeviceLease
from modelforge.processes import signal_name

LOADING_S = 600.0
"""The longest that loading may take, a download from the hub included."""
GRACE_S = 60.0
"""How long after the timeout the answer may come: the prompt's own pass, which nothing interrupts, may be long."""
ENDING_S = 5.0
"""How long the process may take to end once its stdin is closed."""
LOG_LIMIT = 5_000_000
"""Bytes of the log above which the next process starts a new one and keeps this as ``.old``."""
LINE_LIMIT = 64 * 2**20
"""Bytes of the longest report: 32 768 tokens of text and then some."""


class InferenceClient:
    """One inference process at most, started on the first request and after it was released or died.

    Any number of requests may wait; the process answers those for one model together, and one model after the other.
    Belongs to one event loop.
    """

    def __init__(
        self,
        log_path: Path,
        lease: DeviceLease,
        memory_mb: int,
        *,
        loading_s: float = LOADING_S,
        grace_s: float = GRACE_S,
    ) -> None:
        """``lease`` says which device may be used, and asks for it back; ``memory_mb`` is what loaded models may take,
        in units of 1 000 000 bytes; 0 is half of what is free when the process starts."""
        self._log_path = log_path
        self._lease = lease
        self._memory_mb = memory_mb
        self._loading_s = loading_s
        self._grace_s = grace_s
        self._ids = itertools.count(1)
        self._starting = asyncio.Lock()
        self._child: _Child | None = None
        self._closed = False
        lease.asks(self.release)

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def generate(self, target: ModelTarget, request: GenerateRequest, timeout: float) -> GenerateReply:
        """Answer a request; ``timeout`` seconds after the model is loaded, with what there is by then. One that a
        release breaks off is asked again.

        Raises what the model or the request gives cause for (InvalidRequest, NotFound, Forbidden), and
        InferenceFault where the process failed; the next request gets a new one then. Cancelling ends the generation.
        """
        try:
            return await self._ask(target, request, timeout)
        except _AskAgain:
            # Another request ended the process while this one waited for its turn, or a run took the device.
            return await self._ask(target, request, timeout)

    async def _ask(self, target: ModelTarget, request: GenerateRequest, timeout: float) -> GenerateReply:
        child = await self._running()
        order = Generate(id=next(self._ids), target=target, request=request, timeout=timeout)
        async with child.conversation(order.id) as reports:
            await child.tell(order)
            # Its turn: those before it are bounded each, and so is the wait.
            report = await reports.get()
            if isinstance(report, Refused):
                raise _AskAgain(report.detail)
            if isinstance(report, Started):
                what = f"loading {target.path} took longer than {self._loading_s:g} s"
                report = await child.expect(reports, self._loading_s, what)
            if isinstance(report, Loaded):
                what = f"no answer came within {timeout:g} s and {self._grace_s:g} s of grace"
                report = await child.expect(reports, timeout + self._grace_s, what)
        if isinstance(report, Answered):
            return report.reply
        if isinstance(report, Refused) and child.released:
            raise _AskAgain(report.detail)
        if isinstance(report, Refused):
            raise _ERRORS[report.error](report.detail)
        raise InferenceFault(f"the inference process answered out of turn: {report.kind}")

    async def evict(self, path: str) -> None:
        """Drop a model from memory, if it is there; where it generates right now, when that is done."""
        if self._child is not None:
            await self._child.tell(Evict(path=path))

    async def release(self) -> None:
        """Give all of its memory up: the process ends, and the next request starts a new one, on the device that the
        lease allows by then. So do those that are under way."""
        async with self._starting:
            if self._child is not None:
                await self._child.end("the playground gave its memory up for a training; try again")

    async def close(self) -> None:
        """End the process for good; later requests get an InferenceFault."""
        self._closed = True
        async with self._starting:
            if self._child is not None:
                await self._child.end("the server shuts down")

    async def _running(self) -> _Child:
        async with self._starting:
            if self._closed:
                raise InferenceFault("the server shuts down")
            device = self._lease.for_inference
            if self._child is not None and self._child.device != device and self._child.idle:
                await self._child.end(f"answers are given on {device} again")
            if self._child is None or not self._child.alive:
                self._child = await _Child.start(self._log_path, device, self._memory_mb)
            return self._child


class _AskAgain(InferenceFault):
    """The process ended for no fault of the request's: before its turn came, or because it was told to."""


class _Child:
    """One inference process, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, device: str, log_path: Path, log_start: int) -> None:
        self.device = device
        self._process = process
        self._log_path = log_path
        self._log_start = log_start
        self._waiting: dict[int, asyncio.Queue[Report]] = {}
        self._reason: str | None = None
        self.alive = True
        self.released = False
        """Whether it was told to end, through no fault of its own."""
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, log_path: Path, device: str, memory_mb: int) -> _Child:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        if log_path.exists() and log_path.stat().st_size > LOG_LIMIT:
            log_path.replace(log_path.with_name(log_path.name + ".old"))
        # Without a GPU in sight, it holds none of its memory, not even for a context.
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
        with log_path.open("ab") as log:
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                # -P: a file of the user's named like a library, in the folder that the server was started in, is none.
                *(sys.executable, "-P", "-m", "modelforge.inference"),
                *("--device", device, "--memory-mb", str(memory_mb)),
                env={**computing_environment(os.environ, log_path.parent), **hidden},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE_LIMIT,
            )
        return cls(process, device, log_path, log_start)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._waiting

    @property
    def pid(self) -> int:
        return self._process.pid

    @asynccontextmanager
    async def conversation(self, number: int) -> AsyncIterator[asyncio.Queue[Report]]:
        """The reports on one order; left early (the client went away), the order is cancelled."""
        reports: asyncio.Queue[Report] = asyncio.Queue()
        self._waiting[number] = reports
        try:
            if not self.alive:
                self._fail(number)
            yield reports
        except asyncio.CancelledError:
            self._write(Cancel(id=number))
            raise
        finally:
            del self._waiting[number]

    async def expect(self, reports: asyncio.Queue[Report], seconds: float, what: str) -> Report:
        """The next report on an order; when it doesn't come in time the process is ended, for it hangs."""
        try:
            async with asyncio.timeout(seconds):
                return await reports.get()
        except TimeoutError:
            await self.end(f"the inference process was ended: {what}", kill=True)
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
                report = REPORTS.validate_json(line)
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
        self._waiting[number].put_nowait(Refused(id=number, error=InferenceFault.__name__, detail=detail))

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
        return f"the inference process {how}; {said} ({self._log_path}). The next request starts a new one."


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
