"""Accepts, starts, watches, stops and takes up jobs. Knows processes through a runner, and never loads torch."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio import to_thread

from modelforge import __version__
from modelforge.contracts.base import now
from modelforge.contracts.job import (
    OPEN_STATES,
    Cause,
    JobQueued,
    JobState,
    JobStatus,
    RunSpec,
    TrainingStarted,
    TrainingStopped,
)
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict, Fault, ModelForgeError, NotFound, StoreFault
from modelforge.hardware import Hardware
from modelforge.jobs import data, preflight
from modelforge.jobs.broadcast import Broadcast, Changes
from modelforge.jobs.idempotency import Ticket
from modelforge.jobs.ledger import STARTING, Ledger
from modelforge.jobs.origin import check_place, check_start
from modelforge.jobs.probing import Probe
from modelforge.jobs.runners import RUNNERS
from modelforge.jobs.runners.base import Exit, Handle
from modelforge.jobs.states import ENDED, RESUMABLE, IllegalTransition
from modelforge.lease import DeviceLease
from modelforge.settings import Settings
from modelforge.specfile import mend_spec, write_spec
from modelforge.store.database import Database
from modelforge.store.jobs import (
    active_jobs,
    get_job,
    made_checkpoint,
    newest_interrupted,
    newest_job,
    open_job_named,
    status_of,
    unfinished_ends,
)
from modelforge.store.models import folder_for, model_named
from modelforge.store.tables import IdempotencyRow, JobRow
from modelforge.worker import checkpoints

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""Between two looks at what a worker says: it tells its progress five times a second."""
RETRY_SECONDS = 2.0
STACK_SECONDS = 1.0
"""Until a worker that is asked where it is has written that."""
FRUITLESS = 3
"""So many attempts in a row without a checkpoint are enough: one alone says nothing when power comes and goes."""
MENDED = "The run's spec.json was not whole; its copy was put in its place"

T = TypeVar("T")
R = TypeVar("R", TrainingStarted, JobQueued)


class Supervisor:
    """The life of all jobs of one home folder. Belongs to one event loop; the folder's lock makes it the only one."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        hardware: Hardware,
        lease: DeviceLease,
        probe: Probe,
        *,
        serves_queue: bool = True,
    ) -> None:
        """``serves_queue``: start what waits in the queue by itself, as a server does; a command leaves it waiting."""
        self._settings = settings
        self._database = database
        self._hardware = hardware
        self._runner = RUNNERS.get("local")
        self._ledger = Ledger(database, settings.runs)
        self._lease = lease
        self._probe = probe
        self._serves_queue = serves_queue
        self._writing = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._accepting = asyncio.Lock()
        """Held from the check of a job's name to its row, so that no two get the same."""
        self._repeatable = asyncio.Lock()
        """Held while a request with a key is answered: the same one again waits for its reply."""
        self._bell = asyncio.Event()
        """Rings when a job was put into the queue or the device may be free."""
        self._launching: asyncio.Task[bool] | None = None
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._handles: dict[str, Handle] = {}
        self._chores: list[asyncio.Task[Any]] = []
        with database.session() as session:
            newest = newest_job(session)
            status = status_of(newest) if newest else JobStatus(status="idle")
        # By the last number given: a listener may have heard of a job that never had its turn, and hears no lower one.
        self.broadcast = Broadcast(status, self._ledger.seq)

    async def start(self) -> None:
        """Take over what an earlier server left: adopt workers that live, settle those that don't, put what ended with
        the machine before all that waits, and go on with the queue."""
        with self._database.session() as session:
            started = [row for row in active_jobs(session) if row.status != JobState.QUEUED]
            left = [*started, *unfinished_ends(session)]
        for row in left:
            self._watch(row.id, self._runner.find(self._settings.runs / row.id, row.token, row.attempt), adopted=True)
            if row.stop_requested and row.status in OPEN_STATES:
                # The server that was to see to it ended first.
                self._chores.append(asyncio.create_task(self.stop(row.id), name=f"stop {row.id}"))
        self._chores.append(asyncio.create_task(self._go_on(), name="queue"))

    async def close(self) -> None:
        """Stop watching. Workers go on; the next server adopts them."""
        await _end(self._chores)
        if self._launching is not None:
            # What has left the queue gets its worker.
            await asyncio.wait([self._launching], timeout=self._settings.stop_timeout)
            await _end([self._launching])
        await _end(list(self._watches.values()))

    async def submit(
        self, config: TrainingConfig, roots: Sequence[Path], ticket: Ticket | None = None
    ) -> TrainingStarted:
        """Check the request, make its run folder, start its worker. Paths in the request lead into ``roots``.

        Raises Conflict while another job runs or waits for its turn, and what ``preflight.check`` raises.
        """
        async with self._repeatable if ticket else nullcontext():
            if ticket and (first := self._first_reply(ticket)):
                return TrainingStarted.model_validate(first)
            if self._starting.locked():
                raise Conflict("training is already in progress: another one is being started")
            async with self._starting:
                await self._make_way()
                await self._check_queue()
                reply, token = await self._accept(config, roots, ticket, _started, ahead=True)
                await self._launch(reply.job_id, token, 1)
                return reply

    async def enqueue(self, config: TrainingConfig, roots: Sequence[Path], ticket: Ticket | None = None) -> JobQueued:
        """Check the request as a start does, make its run folder, and have it wait for its turn.

        Raises what ``preflight.check`` raises.
        """
        async with self._repeatable if ticket else nullcontext():
            if ticket and (first := self._first_reply(ticket)):
                return JobQueued.model_validate(first)
            try:
                return (await self._accept(config, roots, ticket, _queued, ahead=False))[0]
            finally:
                self._bell.set()

    async def move(self, job_id: str, position: int) -> JobQueued:
        """Give a job that waits another place in the queue. Raises NotFound, or Conflict for one that does not wait."""
        position = await self._write(partial(self._ledger.move, job_id, position))
        return JobQueued(job_id=job_id, message=f"Moved to place {position}", position=position)

    async def resume(self, job_id: str) -> str:
        """Go on with a job that failed, was stopped or interrupted. Returns what it goes on from, in words."""
        if self._starting.locked():
            raise Conflict("training is already in progress: another one is being started")
        async with self._starting:
            with self._database.session() as session:
                row = get_job(session, job_id)
                state, name = JobState(row.status), row.name
                taken = model_named(session, name) is not None
                rival = open_job_named(session, name)
            if state not in RESUMABLE:
                raise Conflict(f"job {job_id} is {state}: only a failed, stopped or interrupted job can be resumed")
            await self._make_way()
            if rival is not None:
                raise Conflict(f"job {rival.id}, which came later, is to make '{name}' now: wait for it, or stop it")
            if taken:
                raise Conflict(f"a model '{name}' was made since job {job_id} ended: delete that model first")
            return await self._take_up(job_id)

    async def stop(self, job_id: str | None = None, *, force: bool = False) -> TrainingStopped:
        """Let the job finish its step, save a checkpoint and end; kill it after ``stop_timeout`` seconds, or at once
        with ``force``. A job that waits is taken out of the queue. Returns when the worker and all that it started
        have ended; raises Conflict where there is nothing to stop."""
        if job_id is not None and await self._cancel(job_id):
            return TrainingStopped(job_id=job_id, message="Taken out of the queue")
        if job_id is None:
            if self._launching is not None:
                await asyncio.wait([self._launching])
            job_id = next(iter(self._watches), None)
        if job_id is None:
            raise Conflict("no training is in progress, so there is nothing to stop")
        if job_id not in self._watches:
            raise Conflict(f"job {job_id} neither waits nor runs, so there is nothing to stop")
        watch = self._watches[job_id]
        # The file first: a stop that is written down is one that the worker hears.
        (self._settings.runs / job_id / "stop").touch()
        await self._write(lambda: self._ledger.request_stop(job_id))
        if not force:
            await asyncio.wait([watch], timeout=self._settings.stop_timeout)
        while not watch.done():  # a next attempt may have begun meanwhile
            await to_thread.run_sync(self._handles[job_id].kill)
            await asyncio.wait([watch], timeout=RETRY_SECONDS)
        with self._database.session() as session:
            row = get_job(session, job_id)
        if row.status != JobState.STOPPED:
            raise Conflict(
                f"there was nothing to stop any more: job {job_id} is {row.status}. {row.error or ''}".rstrip()
            )
        return TrainingStopped(job_id=job_id, message="Training stopped successfully")

    async def _cancel(self, job_id: str) -> bool:
        """End a job that waits; False for any other."""
        if job_id in self._watches:
            return False
        async with self._starting:  # what is on its way to its worker has one then
            if job_id in self._watches:
                return False
            present = self.broadcast.status.job_id == job_id
            cancelled = await self._write(partial(self._ledger.cancel, job_id, told=present))
            if cancelled is not None and present:
                self._publish(*cancelled)
            return cancelled is not None

    def handle_pid(self, job_id: str) -> int | None:
        """The worker's process id, while it runs."""
        handle = self._handles.get(job_id)
        return handle.pid if handle else None

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return bool(self._watches)

    async def wait(self, job_id: str) -> None:
        """Until the job's worker has ended and is written down."""
        while watch := self._watches.get(job_id):
            await asyncio.wait([watch])

    async def _make_way(self) -> None:
        """Raises Conflict while a job is under way; waits for a worker that has said its last word and is ending."""
        for job_id, watch in list(self._watches.items()):
            with self._database.session() as session:
                state = JobState(get_job(session, job_id).status)
            if state not in ENDED:
                raise Conflict(f"training is already in progress: {job_id}. Wait for it, or POST /api/stop_training")
            await asyncio.wait([watch], timeout=self._settings.stop_timeout)
            if not watch.done():
                await to_thread.run_sync(self._handles[job_id].kill)
                await asyncio.wait([watch])

    async def _check_queue(self) -> None:
        """Raises Conflict while jobs wait that will have their turn: whoever comes now comes after them."""
        if self._serves_queue and await self._write(self._ledger.is_waiting):
            raise Conflict(
                "training is already in progress: jobs wait in the queue, and the next one is about to start. "
                "POST /api/jobs puts this one behind them"
            )

    def _first_reply(self, ticket: Ticket) -> dict[str, Any] | None:
        with self._database.session() as session:
            row = ticket.first(session)
        return row.reply if row is not None else None

    async def _accept(
        self,
        config: TrainingConfig,
        roots: Sequence[Path],
        ticket: Ticket | None,
        reply_of: Callable[[str, int, list[str]], R],
        *,
        ahead: bool,
    ) -> tuple[R, str]:
        """Check the request, make its run folder and its row; listeners are told of one that is to start at once
        (``ahead``). The reply, made of the job's id, its place in the queue and warnings; and its token."""
        async with self._accepting, data.conversions(self._settings) as scratch:
            asked = (config, self._settings, self._database, self._hardware, self._probe, roots, scratch)
            plan = await preflight.check(preflight.Inquiry(*asked))
            job_id = f"train_{secrets.token_hex(6)}"
            run_dir = self._settings.runs / job_id
            token = secrets.token_hex(16)

            def receipt(position: int) -> IdempotencyRow | None:
                return ticket.row(job_id, reply_of(job_id, position, plan.warnings)) if ticket else None

            with ExitStack() as undo:
                undo.callback(shutil.rmtree, run_dir, ignore_errors=True)

                def store(row: JobRow) -> tuple[JobStatus, int]:
                    added = self._ledger.add(row, ahead=ahead, notes=plan.warnings, receipt=receipt)
                    undo.pop_all()  # here: who is cancelled from now on has a job
                    return added

                spec = await to_thread.run_sync(self._make_run, job_id, run_dir, plan)
                status, position = await self._write(partial(store, _row(spec, token)))
                if ahead:
                    self._publish(status, Changes([], [status]))
            return reply_of(job_id, position, plan.warnings), token

    async def _take_up(self, job_id: str) -> str:
        run_dir = self._settings.runs / job_id
        token = secrets.token_hex(16)
        status = await self._requeue(job_id, token)
        self._publish(status, Changes([], [status]))
        with self._database.session() as session:
            attempt = get_job(session, job_id).attempt
        await self._launch(job_id, token, attempt)
        steps = checkpoints.sealed_steps(run_dir / "checkpoints")
        return f"from the checkpoint at step {steps[-1]}" if steps else "from the beginning: there is no checkpoint yet"

    async def _requeue(self, job_id: str, token: str) -> JobStatus:
        run_dir = self._settings.runs / job_id
        if await to_thread.run_sync(mend_spec, run_dir):
            self._publish(*await self._write(partial(self._ledger.note, job_id, MENDED)))
        await to_thread.run_sync(check_start, run_dir, self._settings)
        await to_thread.run_sync(check_place, run_dir, self._database)
        (run_dir / "stop").unlink(missing_ok=True)
        return await self._write(lambda: self._ledger.requeue(job_id, token))

    async def _launch(self, job_id: str, token: str, attempt: int) -> None:
        # The job is in the database, so there is no way back: given up here, it would be queued for ever.
        self._publish(*await self._insist(partial(self._ledger.enter, job_id, JobState.STARTING, STARTING)))
        self._watch(job_id, await self._start_worker(job_id, token, attempt), adopted=False)

    async def _start_worker(self, job_id: str, token: str, attempt: int) -> Handle:
        run_dir = self._settings.runs / job_id
        try:
            await self._lease.take(job_id)
            return await to_thread.run_sync(self._runner.start, run_dir, self._settings.home, token, attempt)
        except (OSError, ModelForgeError) as error:
            why = f"The worker could not be started: {getattr(error, 'strerror', None) or error}"
            self._lease.give_back(job_id)
            await self._fail(job_id, why)
            raise Fault(f"{why}. Job {job_id} can be resumed when that is mended") from error

    async def _fail(self, job_id: str, why: str) -> None:
        """An end that is the server's own fault."""
        self._publish(
            *await self._insist(
                partial(self._ledger.enter, job_id, JobState.FAILED, "Failed", error=why, cause=Cause.ERROR)
            )
        )

    def _make_run(self, job_id: str, run_dir: Path, plan: preflight.Plan) -> RunSpec:
        run_dir.mkdir(mode=0o700)
        placed = data.place_data(plan.data, run_dir, self._settings)
        with self._database.session() as session:
            output_dir = folder_for(session, self._settings.models, plan.name, job_id)
        spec = RunSpec(
            job_id=job_id,
            name=plan.name,
            created_at=now(),
            requested_at=None if self.busy else time.monotonic(),
            config=plan.config.model_copy(update={"name": plan.name}),
            device=self._hardware.device,
            parameters=plan.parameters,
            dataset=placed.dataset,
            mix=placed.mix,
            eval_dataset=placed.eval_dataset,
            model=plan.model,
            lineage=plan.lineage,
            reward_model=plan.reward_model,
            output_dir=str(output_dir),
            modelforge_version=__version__,
        )
        write_spec(run_dir, spec)
        return spec

    def _watch(self, job_id: str, handle: Handle, *, adopted: bool) -> None:
        self._handles[job_id] = handle
        self._watches[job_id] = asyncio.create_task(self._follow(job_id, handle, adopted), name=f"watch {job_id}")

    async def _follow(self, job_id: str, handle: Handle, adopted: bool) -> None:
        """Watch a worker to its end. Nothing that goes wrong here may leave a job that can be neither ended nor begun
        anew."""
        following: Handle | None = handle
        try:
            while following is not None:
                self._handles[job_id] = handle = following
                await self._tail(job_id, handle, adopted)
                following, adopted = await self._go_on_smaller(job_id), False
        except Exception as error:  # the edge of the watch: nobody awaits its task
            log.exception("watching %s failed", job_id)
            await to_thread.run_sync(handle.kill)
            with suppress(IllegalTransition):
                await self._fail(job_id, f"The server could not follow the run: {type(error).__name__}: {error}")
        finally:
            del self._watches[job_id], self._handles[job_id]
            self._lease.give_back(job_id)
            self._bell.set()

    async def _tail(self, job_id: str, handle: Handle, adopted: bool) -> None:
        """Read the worker's events until it has ended and everything that it said is stored."""
        events = self._settings.runs / job_id / "events.jsonl"
        seen = -1
        heard = time.monotonic()
        stalled = False
        ended: Exit | None = None
        because: str | None = None
        while ended is None:
            ended = await to_thread.run_sync(handle.poll)
            if ended is None:
                self._lease.hold(job_id)
            size = events.stat().st_size if events.exists() else 0
            if size != seen:
                seen = size
                await self._catch_up(job_id)
                heard = time.monotonic()
            silent = time.monotonic() - heard > self._settings.stall_timeout
            if silent != stalled:
                stalled = silent
                self._publish(*await self._insist(partial(self._ledger.set_stalled, job_id, silent)))
                if silent:
                    because = await self._see_to_stalled(handle)
            if ended is None:
                # Nothing is told in between that a second look could find.
                await asyncio.sleep(max(POLL_SECONDS, self.broadcast.beat / 2))
        await to_thread.run_sync(handle.sweep)
        await self._catch_up(job_id)
        settle = partial(
            self._ledger.settle,
            job_id,
            ended,
            was_watched=not adopted or because is not None,
            next_token=secrets.token_hex(16),
            because=because,
        )
        self._publish(*await self._insist(settle))

    async def _see_to_stalled(self, handle: Handle) -> str | None:
        """Have a silent worker say where it is, and end it where that is set. Returns why it was ended."""
        await to_thread.run_sync(handle.ask_for_stack)
        if not self._settings.stop_stalled:
            return None
        await asyncio.sleep(STACK_SECONDS)
        await to_thread.run_sync(handle.kill)
        return f"The worker said nothing for {self._settings.stall_timeout:g} s and was ended"

    async def _go_on_smaller(self, job_id: str) -> Handle | None:
        """The worker of a next attempt, where memory ran out and a smaller batch may do: a process of its own, for
        nobody knows what memory that ran out has left in the one before."""
        with self._database.session() as session:
            row = get_job(session, job_id)
        if row.status != JobState.QUEUED:
            return None
        self._publish(*await self._insist(partial(self._ledger.enter, job_id, JobState.STARTING, STARTING)))
        return await self._start_worker(job_id, row.token, row.attempt)

    async def _go_on(self) -> None:
        """Go on with what an earlier server left, then start what waits whenever the device is free."""
        take_up = self._settings.auto_resume
        while True:
            self._bell.clear()
            try:
                if take_up:
                    await self._requeue_interrupted()
                    take_up = False
                if self._serves_queue:
                    await self._start_waiting()
            except Exception:  # the edge of the queue: nobody awaits its task
                log.exception("the queue was not served; trying again in %g s", RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._bell.wait()

    async def _requeue_interrupted(self) -> None:
        """What ended with the machine goes on before all that waits, unless its owner wanted it to end, its name was
        given away, or the latest attempts came to nothing: what ends the machine each time must not do so for
        ever."""
        for watch in list(self._watches.values()):
            await asyncio.wait([watch])
        async with self._starting:
            with self._database.session() as session:
                row = newest_interrupted(session)
                if row is None or model_named(session, row.name) or open_job_named(session, row.name):
                    return
                latest = range(row.attempt - FRUITLESS + 1, row.attempt + 1)
                if latest[0] > 0 and not any(made_checkpoint(session, row.id, attempt) for attempt in latest):
                    log.warning("job %s is not taken up again: %d attempts made no checkpoint", row.id, FRUITLESS)
                    return
            with suppress(NotFound, Conflict):  # the model that it started from is gone, or its place is taken
                status = await self._requeue(row.id, secrets.token_hex(16))
                if not self._watches:
                    self._publish(status, Changes([], [status]))

    async def _start_waiting(self) -> None:
        """Start the job whose turn it is, if the device is free; where that fails, the one after it."""
        started = False
        while not started and await self._insist(self._ledger.is_waiting):
            async with self._starting:
                try:
                    await self._make_way()
                except Conflict:
                    return  # its end rings the bell
                # Cancelled between the two, the job would be out of the queue without a worker.
                self._launching = asyncio.create_task(self._start_first())
                started = await asyncio.shield(self._launching)

    async def _start_first(self) -> bool:
        claimed = await self._insist(self._ledger.claim)
        if claimed is None:
            return False
        row, status, changes = claimed
        self._publish(status, changes)
        try:
            handle = await self._start_worker(row.id, row.token, row.attempt)
        except Fault:
            return False  # it is written down as failed
        self._watch(row.id, handle, adopted=False)
        return True

    async def _catch_up(self, job_id: str) -> None:
        more = True
        while more:
            status, changes, news, more = await self._insist(lambda: self._ledger.ingest(job_id))
            if news:
                self._publish(status, changes)
                if status.status in ENDED:
                    self._bell.set()  # the worker is on its way out

    async def _write(self, work: Callable[[], T]) -> T:
        """Run a piece of the ledger's work in a thread, one at a time; a cancelled caller still waits for its end, so
        that nothing is written behind anybody's back."""
        async with self._writing:
            thread = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(thread)
            except asyncio.CancelledError:
                await asyncio.wait([thread])
                raise
            finally:
                # What its caller publishes has to follow before anything else has a turn: a listener that has heard of
                # this number is told nothing more of it.
                self.broadcast.queue_changed(self._ledger.queue_seq)

    async def _insist(self, work: Callable[[], T]) -> T:
        """The same, again and again while the database does not take it (a full disk, say): what workers say waits in
        their files. The log tells it once, and when it is over: a disk may stay full for a weekend."""
        told = ""
        while True:
            try:
                done = await self._write(work)
            except StoreFault as error:
                if error.detail != told:
                    told = error.detail
                    log.error("%s; trying again every %g s until it does", told, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if told:
                    log.warning("the database takes what is written again")
                return done

    def _publish(self, status: JobStatus, changes: Changes) -> None:
        self.broadcast.publish(status, changes)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _started(job_id: str, position: int, warnings: list[str]) -> TrainingStarted:
    return TrainingStarted(job_id=job_id, message="Training started successfully", warnings=warnings)


def _queued(job_id: str, position: int, warnings: list[str]) -> JobQueued:
    message = "Waits for its turn" if position > 1 else "Is the next one to start"
    return JobQueued(job_id=job_id, message=message, position=position, warnings=warnings)


def _row(spec: RunSpec, token: str) -> JobRow:
    config = spec.config
    return JobRow(
        id=spec.job_id,
        name=spec.name,
        status=JobState.QUEUED,
        attempt=1,
        task=config.task,
        strategy=config.strategy,
        provider=config.provider,
        model_name=config.model_name,
        dataset=config.dataset,
        config=config.model_dump(),
        token=token,
        created_at=now(),
        progress=0.0,
        stalled=False,
    )
