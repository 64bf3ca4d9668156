"""The api process's side of the playground: it starts the inference process when it is needed and speaks for it."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modelforge.computing import computing_environment
from modelforge.contracts.playground import GenerateReply, GenerateRequest, GenerationStarted, GenerationToken
from modelforge.errors import InferenceFault
from modelforge.inference.protocol import (
    REPORTS,
    Answered,
    Cancel,
    Evict,
    Generate,
    Loaded,
    ModelTarget,
    Piece,
    Started,
)
from modelforge.lease import DeviceLease
from modelforge.pipe import Refused
from modelforge.standby import Child, error_of

LOADING_S = 600.0
"""The longest that loading may take, a download from the hub included."""
GRACE_S = 60.0
"""How long after the timeout the answer may come: the prompt's own pass, which nothing interrupts, may be long."""

_Process = Child[Started | Loaded | Piece | Answered]
Listener = Callable[[GenerationStarted | GenerationToken], None]
"""Is told of an answer while it comes."""


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
        self._line: dict[int, Listener | None] = {}
        """Orders whose turn has not come, the next one first."""
        self._starting = asyncio.Lock()
        self._child: _Process | None = None
        self._device = ""
        """Where it was told to load models."""
        self._closed = False
        lease.asks(self.release)

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def generate(
        self, target: ModelTarget, request: GenerateRequest, timeout: float, tell: Listener | None = None
    ) -> GenerateReply:
        """Answer a request; ``timeout`` seconds after the model is loaded, with what there is by then. ``tell`` gets
        each change until then, and the text in pieces. One that a release breaks off is asked again, unless some of its
        text was told.

        Raises what the model or the request gives cause for (InvalidRequest, NotFound, Forbidden), and
        InferenceFault where the process failed; the next request gets a new one then. Cancelling ends the generation.
        """
        try:
            return await self._ask(target, request, timeout, tell)
        except _AskAgain:
            # Another request ended the process while this one waited for its turn, or a run took the device.
            return await self._ask(target, request, timeout, tell)

    async def _ask(
        self, target: ModelTarget, request: GenerateRequest, timeout: float, tell: Listener | None
    ) -> GenerateReply:
        child = await self._running()
        order = Generate(id=next(self._ids), target=target, request=request, timeout=timeout, pieces=tell is not None)
        told = False
        async with child.conversation(order.id, Cancel(id=order.id)) as reports:
            await child.tell(order)
            with self._in_line(order.id, tell):
                # Its turn: those before it are bounded each, and so is the wait.
                report = await reports.get()
            if isinstance(report, Refused):
                raise _AskAgain(report.detail)
            if isinstance(report, Started):
                if tell is not None:
                    tell(GenerationStarted(phase="loading"))
                what = f"loading {target.path} took longer than {self._loading_s:g} s"
                report = await child.expect(reports, self._loading_s, what)
            if isinstance(report, Loaded):
                if tell is not None:
                    tell(GenerationStarted(phase="answering"))
                what = f"no answer came within {timeout:g} s and {self._grace_s:g} s of grace"
                end = time.monotonic() + timeout + self._grace_s
                report = await child.expect(reports, end - time.monotonic(), what)
                while isinstance(report, Piece) and tell is not None:
                    told = True
                    tell(GenerationToken(text=report.text))
                    report = await child.expect(reports, end - time.monotonic(), what)
        if isinstance(report, Answered):
            return report.reply
        if isinstance(report, Refused) and child.released and not told:
            raise _AskAgain(report.detail)
        if isinstance(report, Refused):
            raise error_of(report)
        raise InferenceFault(f"the inference process answered out of turn: {report.kind}")

    @contextmanager
    def _in_line(self, number: int, tell: Listener | None) -> Iterator[None]:
        """Within, an order waits for its turn, and is told its place as often as that changes."""
        self._line[number] = tell
        if tell is not None:
            tell(GenerationStarted(phase="waiting", position=len(self._line)))
        try:
            yield
        finally:
            places = list(self._line)
            passed = places.index(number)
            del self._line[number]
            for place, behind in enumerate(places[passed + 1 :], start=passed + 1):
                listener = self._line[behind]
                if listener is not None:
                    listener(GenerationStarted(phase="waiting", position=place))

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

    async def _running(self) -> _Process:
        async with self._starting:
            if self._closed:
                raise InferenceFault("the server shuts down")
            device = self._lease.for_inference
            if self._child is not None and self._device != device and self._child.idle:
                await self._child.end(f"answers are given on {device} again")
            if self._child is None or not self._child.alive:
                self._child, self._device = await self._start(device), device
            return self._child

    async def _start(self, device: str) -> _Process:
        # Without a GPU in sight, it holds none of its memory, not even for a context.
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
        return await Child.start(
            "inference",
            ["--device", device, "--memory-mb", str(self._memory_mb)],
            {**computing_environment(os.environ, self._log_path.parent), **hidden},
            name="the inference process",
            read=REPORTS.validate_json,
            fault=InferenceFault,
            log_path=self._log_path,
        )


class _AskAgain(InferenceFault):
    """The process ended for no fault of the request's: before its turn came, or because it was told to."""
