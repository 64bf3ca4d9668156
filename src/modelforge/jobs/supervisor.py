"""Accepts, starts, watches, stops and takes up jobs. Knows processes through a runner, and never loads torch."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from anyio import to_thread

from modelforge import __version__
from modelforge.contracts.base import now
from modelforge.contracts.job import OPEN_STATES, Cause, JobState, RunSpec, TrainingStatus
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict, Fault, ModelForgeError, StoreFault
from modelforge.files import write_atomic
from modelforge.hardware import Hardware
from modelforge.jobs import preflight
from modelforge.jobs.broadcast import Broadcast, Changes
from modelforge.jobs.ledger import Ledger
from modelforge.jobs.origin import check_start
from modelforge.jobs.runners import RUNNERS
from modelforge.jobs.runners.base import Exit, Handle
from modelforge.jobs.states import ENDED, RESUMABLE, IllegalTransition
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.jobs import (
    active_jobs,
    get_job,
    made_checkpoint,
    newest_interrupted,
    newest_job,
    status_of,
    unfinished_ends,
)
from modelforge.store.models import model_named
from modelforge.store.tables import JobRow
from modelforge.worker import checkpoints

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
RETRY_SECONDS = 2.0

T = TypeVar("T")


class Supervisor:
    """The life of all jobs of one home folder. Belongs to one event loop; the folder's lock makes it the only one."""

    def __init__(self, settings: Settings, database: Database, hardware: Hardware) -> None:
        self._settings = settings
        self._database = database
        self._hardware = hardware
        self._runner = RUNNERS.get("local")
        self._ledger = Ledger(database, settings.runs)
        self._writing = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._handles: dict[str, Handle] = {}
        self._chores: list[asyncio.Task[Any]] = []
        with database.session() as session:
            newest = newest_job(session)
            status = status_of(newest) if newest else TrainingStatus(status="idle")
        self.broadcast = Broadcast(status, self._ledger.seq)

    async def start(self) -> None:
        """Take over what an earlier server left: adopt workers that live, settle those that don't, and take up again
        what ended with the machine."""
        with self._database.session() as session:
            left = [*active_jobs(session), *unfinished_ends(session)]
        for row in left:
            self._watch(row.id, self._runner.find(self._settings.runs / row.id, row.token, row.attempt), adopted=True)
            if row.stop_requested and row.status in OPEN_STATES:
                # The server that was to see to it ended first.
                self._chores.append(asyncio.create_task(self.stop(row.id), name=f"stop {row.id}"))
        if self._settings.auto_resume:
            self._chores.append(asyncio.create_task(self._take_up_interrupted(), name="take up"))

    async def close(self) -> None:
        """Stop watching. Workers go on; the next server adopts them."""
        tasks = [*self._watches.values(), *self._chores]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def submit(self, config: TrainingConfig) -> tuple[str, list[str]]:
        """Check the request, make its run folder, start its worker. Returns the job's id and warnings.

        Raises Conflict while another job runs, and what ``preflight.check`` raises.
        """
        if self._starting.locked():
            raise Conflict("another training is being started: wait for its reply")
        async with self._starting:
            await self._make_way()
            plan = await preflight.check(config, self._settings, self._database, self._hardware)
            job_id = f"train_{secrets.token_hex(6)}"
            run_dir = self._settings.runs / job_id
            token = secrets.token_hex(16)
            try:
                spec = await to_thread.run_sync(self._make_run, job_id, run_dir, plan)
                status = await self._write(lambda: self._ledger.add(_row(spec, token)))
            except BaseException:
                shutil.rmtree(run_dir, ignore_errors=True)
                raise
            self._publish(status, Changes([], [status]))
            for warning in plan.warnings:
                self._publish(*await self._insist(partial(self._ledger.note, job_id, warning)))
            await self._launch(job_id, token, 1)
            return job_id, plan.warnings

    async def resume(self, job_id: str) -> str:
        """Go on with a job that failed, was stopped or interrupted. Returns what it goes on from, in words."""
        if self._starting.locked():
            raise Conflict("another training is being started: wait for its reply")
        async with self._starting:
            with self._database.session() as session:
                row = get_job(session, job_id)
                state, name = JobState(row.status), row.name
                taken = model_named(session, name) is not None
            if state not in RESUMABLE:
                raise Conflict(f"job {job_id} is {state}: only a failed, stopped or interrupted job can be resumed")
            await self._make_way()
            if taken:
                raise Conflict(f"a model '{name}' was made since job {job_id} ended: delete that model first")
            return await self._take_up(job_id)

    async def stop(self, job_id: str | None = None, *, force: bool = False) -> str:
        """Let the job finish its step, save a checkpoint and end; kill it after ``stop_timeout`` seconds, or at once
        with ``force``. Returns the job's id when the worker has ended; raises Conflict when nothing runs."""
        job_id = job_id or next(iter(self._watches), None)
        if job_id is None or job_id not in self._watches:
            raise Conflict("no training is in progress, so there is nothing to stop")
        watch = self._watches[job_id]
        # The file first: a stop that is written down is one that the worker hears.
        (self._settings.runs / job_id / "stop").touch()
        await self._write(lambda: self._ledger.request_stop(job_id))
        if not force:
            await asyncio.wait([watch], timeout=self._settings.stop_timeout)
        if not watch.done():
            await to_thread.run_sync(self._handles[job_id].kill)
            await asyncio.wait([watch])
        with self._database.session() as session:
            row = get_job(session, job_id)
        if row.status != JobState.STOPPED:
            raise Conflict(
                f"there was nothing to stop any more: job {job_id} is {row.status}. {row.error or ''}".rstrip()
            )
        return job_id

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

    async def _take_up(self, job_id: str) -> str:
        run_dir = self._settings.runs / job_id
        await to_thread.run_sync(check_start, run_dir)
        token = secrets.token_hex(16)
        (run_dir / "stop").unlink(missing_ok=True)
        status = await self._write(lambda: self._ledger.requeue(job_id, token))
        self._publish(status, Changes([], [status]))
        with self._database.session() as session:
            attempt = get_job(session, job_id).attempt
        await self._launch(job_id, token, attempt)
        steps = checkpoints.sealed_steps(run_dir / "checkpoints")
        return f"from the checkpoint at step {steps[-1]}" if steps else "from the beginning: there is no checkpoint yet"

    async def _launch(self, job_id: str, token: str, attempt: int) -> None:
        run_dir = self._settings.runs / job_id
        # The job is in the database, so there is no way back: given up here, it would be queued for ever.
        starting = partial(self._ledger.enter, job_id, JobState.STARTING, "Starting the worker")
        self._publish(*await self._insist(starting))
        try:
            handle = await to_thread.run_sync(self._runner.start, run_dir, self._settings.home, token, attempt)
        except (OSError, ModelForgeError) as error:
            why = f"The worker could not be started: {getattr(error, 'strerror', None) or error}"
            await self._fail(job_id, why)
            raise Fault(f"{why}. Job {job_id} can be resumed when that is mended") from error
        self._watch(job_id, handle, adopted=False)

    async def _fail(self, job_id: str, why: str) -> None:
        """An end that is the server's own fault."""
        self._publish(
            *await self._insist(
                partial(self._ledger.enter, job_id, JobState.FAILED, "Failed", error=why, cause=Cause.ERROR)
            )
        )

    def _make_run(self, job_id: str, run_dir: Path, plan: preflight.Plan) -> RunSpec:
        run_dir.mkdir(mode=0o700)
        dataset = preflight.place_dataset(plan.dataset, run_dir / "dataset.jsonl", self._settings)
        spec = RunSpec(
            job_id=job_id,
            name=plan.name,
            created_at=now(),
            config=plan.config.model_copy(update={"name": plan.name}),
            device=self._hardware.device,
            dataset=dataset,
            model=plan.model,
            lineage=plan.lineage,
            reward_model=plan.reward_model,
            output_dir=str(self._settings.models / plan.name),
            modelforge_version=__version__,
        )
        write_atomic(run_dir / "spec.json", spec.model_dump_json(indent=2))
        return spec

    def _watch(self, job_id: str, handle: Handle, *, adopted: bool) -> None:
        self._handles[job_id] = handle
        self._watches[job_id] = asyncio.create_task(self._follow(job_id, handle, adopted), name=f"watch {job_id}")

    async def _follow(self, job_id: str, handle: Handle, adopted: bool) -> None:
        """Watch a worker to its end. Nothing that goes wrong here may leave a job that can be neither ended nor begun
        anew."""
        try:
            await self._tail(job_id, handle, adopted)
        except Exception as error:  # the edge of the watch: nobody awaits its task
            log.exception("watching %s failed", job_id)
            await to_thread.run_sync(handle.kill)
            with suppress(IllegalTransition):
                await self._fail(job_id, f"The server could not follow the run: {type(error).__name__}: {error}")
        finally:
            del self._watches[job_id], self._handles[job_id]

    async def _tail(self, job_id: str, handle: Handle, adopted: bool) -> None:
        """Read the worker's events until it has ended and everything that it said is stored."""
        events = self._settings.runs / job_id / "events.jsonl"
        seen = -1
        heard = time.monotonic()
        stalled = False
        ended: Exit | None = None
        while ended is None:
            ended = await to_thread.run_sync(handle.poll)
            size = events.stat().st_size if events.exists() else 0
            if size != seen:
                seen = size
                await self._catch_up(job_id)
                heard = time.monotonic()
            silent = time.monotonic() - heard > self._settings.stall_timeout
            if silent != stalled:
                stalled = silent
                self._publish(*await self._insist(partial(self._ledger.set_stalled, job_id, silent)))
            if ended is None:
                await asyncio.sleep(POLL_SECONDS)
        await self._catch_up(job_id)
        self._publish(*await self._insist(partial(self._ledger.settle, job_id, ended, was_watched=not adopted)))

    async def _take_up_interrupted(self) -> None:
        """What ended with the machine goes on, unless its owner wanted it to end, something else was started
        meanwhile, or the last attempt came to nothing: what ends the machine each time must not do so for ever."""
        for watch in list(self._watches.values()):
            await asyncio.wait([watch])
        async with self._starting:
            with self._database.session() as session:
                row = newest_interrupted(session)
                if row is None or self._watches or model_named(session, row.name) is not None:
                    return
                if row.attempt > 1 and not made_checkpoint(session, row.id, row.attempt):
                    log.warning("job %s is not taken up again: its last attempt made no checkpoint", row.id)
                    return
            with suppress(ModelForgeError):
                await self._take_up(row.id)

    async def _catch_up(self, job_id: str) -> None:
        more = True
        while more:
            status, changes, more = await self._insist(lambda: self._ledger.ingest(job_id))
            if more:
                self._publish(status, changes)

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

    def _publish(self, status: TrainingStatus, changes: Changes) -> None:
        self.broadcast.publish(status, changes)


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
