"""The api process's end of the playground: starts the inference process on first use, asks it, survives its crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from modelforge import errors
from modelforge.contracts.playground import GenerateReply, GenerateRequest
from modelforge.errors import InferenceFault, ModelForgeError
from modelforge.files import read_text_or_none
from modelforge.inference.protocol import REPORTS, Answered, Cancel, Evict, Generate, Loaded, ModelTarget, Refused, Started
from modelforge.processes import signal_name, training_environment

LOADING_SECONDS = 600.0
"""The longest that a model may take to load, the libraries included."""
GRACE_SECONDS = 15.0
"""What a generation may take beyond its timeout, which is looked at between two tokens."""
LOG_BYTES = 5_000_000
"""A larger log is begun anew when the process starts."""
MAX_LINE = 1 << 26
"""Bytes of the longest reply."""


class InferenceClient:
    """Asks the one inference process of a server. Belongs to one event loop."""

    def __init__(self, log_path: Path, device: str, memory_mb: int) -> None:
        """``memory_mb``: what the loaded models may take, in units of 1 000 000 bytes; 0 is half of what is free."""
        self._log_path = log_path
        self._argv = [
            sys.executable,
            "-m",
            "modelforge.inference",
            "--device",
            device,
            "--memory-mb",
            str(memory_mb),
        ]
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._last_id = 0

    async def generate(self, target: ModelTarget, request: GenerateRequest, timeout: float) -> GenerateReply:
        """The model's answer, or what there is of it after ``timeout`` seconds. Requests are answered in turn.

        Raises the ModelForgeError that the process refuses with, InferenceFault when it ends or hangs; the next
        request starts it anew. A cancelled call cancels its generation.
        """
        self._last_id += 1
        order = Generate(id=self._last_id, target=target, request=request, timeout=timeout)
        try:
            return await (await self._living()).ask(order)
        except _NeverStarted:
            # The process ended while this request waited for its turn, so it was not this one that ended it.
            return await (await self._living()).ask(order)

    async def _living(self) -> _Child:
        async with self._starting:
            if self._child is None or self._child.ended:
                self._child = await _Child.start(self._argv, self._log_path)
            return self._child

    async def evict(self, path: str) -> None:
        """Drop a model that was deleted, if it is loaded."""
        if self._child is not None and not self._child.ended:
            await self._child.send(Evict(path=path))

    async def release(self) -> None:
        """Give all its memory up: the process ends, and the next request starts it anew."""
        if self._child is not None:
            await self._child.close()
            self._child = None

    async def close(self) -> None:
        """The same, for good."""
        await self.release()


class _NeverStarted(InferenceFault):
    """The process ended before the request's turn came."""


class _Waiting:
    """A request and how far it has come."""

    def __init__(self, order: Generate) -> None:
        self.order = order
        self.reply: asyncio.Future[GenerateReply] = asyncio.get_running_loop().create_future()
        self.deadline: asyncio.TimerHandle | None = None
        self.started = False

    def set_deadline(self, seconds: float, child: _Child, doing: str) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        loop = asyncio.get_running_loop()
        self.deadline = loop.call_later(seconds, child.give_up, f"took more than {seconds:.0f} s {doing}")

    def end(self, outcome: GenerateReply | ModelForgeError) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        if self.reply.done():
            return
        if isinstance(outcome, ModelForgeError):
            self.reply.set_exception(outcome)
        else:
            self.reply.set_result(outcome)


class _Child:
    """One life of the inference process."""

    def __init__(self, process: asyncio.subprocess.Process, log_path: Path) -> None:
        self._process = process
        self._log_path = log_path
        self._waiting: dict[int, _Waiting] = {}
        self._why: str | None = None
        self._reader = asyncio.create_task(self._read(), name="inference replies")

    @classmethod
    async def start(cls, argv: list[str], log_path: Path) -> _Child:
        """Start the process; its messages go to the log."""
        too_long = log_path.exists() and log_path.stat().st_size > LOG_BYTES
        with log_path.open("wb" if too_long else "ab") as log:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=training_environment(os.environ),
                limit=MAX_LINE,
            )
        return cls(process, log_path)

    @property
    def ended(self) -> bool:
        return self._reader.done() or self._why is not None

    async def ask(self, order: Generate) -> GenerateReply:
        """Send the order and wait for its reply."""
        waiting = self._waiting[order.id] = _Waiting(order)
        try:
            await self.send(order)
            return await waiting.reply
        except asyncio.CancelledError:
            waiting.end(InferenceFault("cancelled"))
            waiting.reply.exception()  # nobody else will look
            await asyncio.shield(self.send(Cancel(id=order.id)))
            raise
        finally:
            self._waiting.pop(order.id, None)

    async def send(self, order: Generate | Cancel | Evict) -> None:
        """Write an order; a process that is gone is noticed by the reader, which ends all requests."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(order.line())
            await self._process.stdin.drain()

    def give_up(self, why: str) -> None:
        """Kill a process that hangs; its end then ends all requests."""
        self._why = why
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Close its stdin, upon which it ends at once; kill it if it does not."""
        self._why = "was told to end"
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 2)
        except TimeoutError:
            self.give_up("was told to end")
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            report = REPORTS.validate_json(line)
            waiting = self._waiting.get(report.id)
            if waiting is None:
                continue
            match report:
                case Started():
                    waiting.started = True
                    waiting.set_deadline(LOADING_SECONDS, self, "to load the model")
                case Loaded():
                    waiting.set_deadline(waiting.order.timeout + GRACE_SECONDS, self, "to generate")
                case Answered(reply=reply):
                    waiting.end(reply)
                case Refused(error=name, detail=detail):
                    waiting.end(getattr(errors, name, InferenceFault)(detail))
        code = await self._process.wait()
        fault = self._explain(code)
        for waiting in list(self._waiting.values()):
            waiting.end(InferenceFault(fault) if waiting.started else _NeverStarted(fault))

    def _explain(self, code: int) -> str:
        how = self._why or (f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit code {code}")
        said = (read_text_or_none(self._log_path) or "").strip().rpartition("\n")[2][:300]
        last = f" Its log ends with: {said}" if said else ""
        return (
            f"the inference process {how}. The next request starts it anew; if memory is short, use a smaller model."
            f"{last} ({self._log_path})"
        )
