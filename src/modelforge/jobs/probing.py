"""The probe, seen from the server."""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import Any

from modelforge.computing import computing_environment
from modelforge.errors import Fault, InvalidRequest
from modelforge.lease import DeviceLease
from modelforge.pipe import Refused
from modelforge.probe.order import REPORTS, Answer, Order, Question, What
from modelforge.processes import memory_held
from modelforge.settings import Settings
from modelforge.standby import Child, error_of

SECONDS = 60.0
"""For one answer. A tokenizer from the hub comes first; a chat template that goes in circles never ends."""
MUCH = 500_000_000
"""Bytes that a probe gives up when a training starts; with less it stays, for it takes seconds to start again."""
_CLOSED = "the server shuts down"


class Probe:
    """One process at most, started for the first question, ended when none has come for a while. Questions are answered
    one after the other. Belongs to one event loop."""

    def __init__(self, settings: Settings, lease: DeviceLease) -> None:
        self._settings = settings
        self._ids = itertools.count(1)
        self._turn = asyncio.Lock()
        """Held while a question is answered; a process is started and left in peace under it alone."""
        self._child: Child[Answer] | None = None
        self._work: asyncio.Task[Any] | None = None
        self._rest: asyncio.Task[None] | None = None
        self._closed = False
        lease.asks(self._make_way)

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def ask(self, what: What, order: Order, seconds: float) -> Any:
        """What a probe answers within so many seconds from its turn on. Where the caller goes away, it is answered
        nonetheless: the next one would else wait for a new process.

        Raises what it is refused with, InvalidRequest where it takes longer, Fault where the process breaks.
        """
        await self._turn.acquire()
        if self._rest is not None:
            self._rest.cancel()
        self._work = asyncio.create_task(self._answer(Question(id=next(self._ids), what=what, order=order), seconds))
        self._work.add_done_callback(self._answered)
        return await asyncio.shield(self._work)

    async def close(self) -> None:
        """End the process for good; later questions get a Fault."""
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        await self._end(_CLOSED)
        async with self._turn:  # those that waited for it are refused by now
            await self._end(_CLOSED)

    def _answered(self, _: asyncio.Task[Any]) -> None:
        self._turn.release()
        if not self._closed:
            self._rest = asyncio.create_task(self._end_when_idle())

    async def _end_when_idle(self) -> None:
        await asyncio.sleep(self._settings.probe_idle_seconds)
        async with self._turn:
            await self._end("nobody asked it anything")

    async def _make_way(self) -> None:
        if self._child is not None and self._child.alive and memory_held(self._child.pid) > MUCH:
            await self._end("the process gave its memory up for a training; try again")

    async def _answer(self, question: Question, seconds: float) -> Any:
        # A process that runs a model's own code answers nothing else: it might be another one after that.
        alone = question.order.config.trust_remote_code
        if alone:
            await self._end("it makes way for a model's own code")
        try:
            report = await self._asked(question, seconds)
            if isinstance(report, Refused) and self._child is not None and self._child.released:
                report = await self._asked(question, seconds)
        finally:
            if alone:
                await self._end("it ran a model's own code")
        if isinstance(report, Refused):
            raise error_of(report)
        return report.result

    async def _asked(self, question: Question, seconds: float) -> Answer | Refused:
        child = await self._running()
        async with child.conversation(question.id) as reports:
            await child.tell(question)
            try:
                async with asyncio.timeout(seconds):
                    return await reports.get()
            except TimeoutError:
                await child.end("it took too long", kill=True)
        raise InvalidRequest(
            f"the tokenizer of '{question.order.model.name}' gave no answer within {seconds:g} s: look at fewer or "
            "shorter rows, and at the model's chat template"
        )

    async def _running(self) -> Child[Answer]:
        if self._child is None or not self._child.alive:
            if self._closed:
                raise Fault(_CLOSED)
            self._child = await self._start()
            if self._closed:
                await self._child.end(_CLOSED)
        return self._child

    async def _start(self) -> Child[Answer]:
        environment = {
            **computing_environment(os.environ, self._settings.home),
            # That torch is missing, which it was made to.
            "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        }
        return await Child.start(
            "probe",
            [],
            environment,
            name="the process that reads with a model's tokenizer",
            read=REPORTS.validate_json,
            fault=Fault,
            log_path=self._settings.home / "probe.log",
        )

    async def _end(self, reason: str) -> None:
        if self._child is not None and self._child.alive:
            await self._child.end(reason)
