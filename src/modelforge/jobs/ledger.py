"""Writes what workers say into the database: each line of ``events.jsonl`` exactly once, in order, numbered.

The file's offset is stored in the transaction that stores the lines, so a server that is killed at any moment goes
on where it was. All functions block; the supervisor calls them from threads, one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy.orm import Session

from modelforge.contracts.base import now
from modelforge.contracts.events import (
    CheckpointEvent,
    Event,
    MessageEvent,
    MetricsEvent,
    ProgressEvent,
    SampleEvent,
    StateEvent,
    parse_event,
)
from modelforge.contracts.job import OPEN_STATES, Cause, JobState, JobStatus, MetricPoint, RunSpec
from modelforge.errors import Conflict
from modelforge.files import size_mb
from modelforge.jobs.broadcast import Changes
from modelforge.jobs.microbatch import OUT_OF_MEMORY, difference, smaller
from modelforge.jobs.runners.base import Exit
from modelforge.jobs.states import RESUMABLE, IllegalTransition, check_transition
from modelforge.specfile import mend_spec, spec_of, write_spec
from modelforge.store.database import Database
from modelforge.store.jobs import get_job, last_seq, put_metrics, status_of, waiting_jobs
from modelforge.store.models import model_named
from modelforge.store.tables import EventRow, IdempotencyRow, JobRow, ModelRow
from modelforge.worker.failures import LESS, is_full, memory_cause, no_room

BATCH_BYTES = 1 << 20
"""Read at a time: bounds memory and the length of a transaction when a long file is caught up with."""
STARTING = "Starting the worker"
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 64_000
_LOOK = "where it was, the end of its log says"


class Intake(NamedTuple):
    """What came of reading a job's file."""

    status: JobStatus
    changes: Changes
    news: bool
    """Whether there was anything."""
    more: bool
    """Whether the file goes on behind what was read."""


class Ledger:
    """The one writer of jobs, metrics and events. Numbers every change with a rising ``seq``."""

    def __init__(self, database: Database, runs: Path) -> None:
        self._database = database
        self._runs = runs
        with database.session() as session:
            self._seq = last_seq(session)
        # What became of the queue last is not known any more: whoever saw an earlier number asks once more.
        self._queue_seq = self._seq

    @property
    def seq(self) -> int:
        """The last number given."""
        return self._seq

    @property
    def queue_seq(self) -> int:
        """The number of the last change by which a job entered or left the queue, or was moved in it."""
        return self._queue_seq

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """A transaction. One that is not committed has left the queue as it was."""
        with ExitStack() as undo:
            undo.callback(setattr, self, "_queue_seq", self._queue_seq)
            with self._database.session() as session:
                yield session
            undo.pop_all()

    def add(
        self,
        row: JobRow,
        *,
        ahead: bool = True,
        notes: Sequence[str] = (),
        receipt: Callable[[int], IdempotencyRow | None] = lambda _: None,
    ) -> tuple[JobStatus, int]:
        """Store a new job with what its owner should know, and its place in the queue: the first one for a job that is
        to start at once (``ahead``), else the last one, of which listeners are not told. ``receipt`` makes of the place
        what is stored with it."""
        with self._session() as session:
            waiting = waiting_jobs(session)
            position = 1 if ahead else len(waiting) + 1
            row.place = _place(waiting, ahead=ahead)
            session.add(row)
            session.flush()
            # Once more: a model may have been renamed, or restored, since the request was checked.
            if model_named(session, row.name) is not None:
                raise Conflict(f"name: a model '{row.name}' exists already; choose another name")
            kept = receipt(position)
            if kept is not None:
                session.add(kept)
            self._enter(session, row, JobState.QUEUED, "Waiting to start", told=ahead)
            for note in notes:
                self._log(session, row, "message", note, told=ahead)
            return status_of(row), position

    def is_waiting(self) -> bool:
        """Whether any job waits for the device."""
        with self._session() as session:
            return bool(waiting_jobs(session))

    def claim(self) -> tuple[JobRow, JobStatus, Changes] | None:
        """Take the first job out of the queue, for its worker to be started. From here on a server that is killed has
        left a job that was interrupted, never one that would be started twice."""
        with self._session() as session:
            row = next(iter(waiting_jobs(session)), None)
            if row is None:
                return None
            changes = self._enter(session, row, JobState.STARTING, STARTING)
            return row, status_of(row), changes

    def cancel(self, job_id: str, *, told: bool) -> tuple[JobStatus, Changes] | None:
        """End a job that waits; None for one that does not. Listeners are ``told`` where it is the one that they hear
        of."""
        with self._session() as session:
            row = get_job(session, job_id)
            if row.status != JobState.QUEUED:
                return None
            row.cause = Cause.USER
            changes = self._enter(session, row, JobState.STOPPED, "Taken out of the queue", told=told)
            return status_of(row), changes

    def move(self, job_id: str, position: int) -> int:
        """Give a job that waits another place in the queue, from 1; one beyond the end is the last. Raises Conflict
        for a job that does not wait."""
        with self._session() as session:
            row = get_job(session, job_id)
            if row.status != JobState.QUEUED:
                raise Conflict(f"job {job_id} is {row.status}: only a job that waits has a place in the queue")
            order = [other for other in waiting_jobs(session) if other.id != job_id]
            order.insert(position - 1, row)
            for place, one in enumerate(order, start=1):
                one.place = place
            position = order.index(row) + 1
            self._log(session, row, "message", f"Moved to place {position} of the queue", told=False)
            self._queue_seq = row.seq
            return position

    def requeue(self, job_id: str, token: str) -> JobStatus:
        """Begin the job's next attempt, before all that wait. Raises Conflict for one that has not ended, or was
        completed."""
        with self._session() as session:
            row = get_job(session, job_id)
            if row.status not in RESUMABLE:
                raise Conflict(
                    f"job {job_id} is {row.status}: only a failed, stopped or interrupted job can be resumed"
                )
            row.stop_requested = False
            return self._begin_again(session, row, token, "Waiting to go on").states[-1]

    def enter(
        self, job_id: str, state: JobState, message: str, *, error: str | None = None, cause: Cause | None = None
    ) -> tuple[JobStatus, Changes]:
        """A change of state that the server itself makes."""
        with self._session() as session:
            row = get_job(session, job_id)
            check_transition(JobState(row.status), state)
            if error is not None or cause is not None:
                row.error, row.cause = error, cause
            changes = self._enter(session, row, state, message)
            return status_of(row), changes

    def note(self, job_id: str, text: str) -> tuple[JobStatus, Changes]:
        """Something that the job's owner should know."""
        with self._session() as session:
            row = get_job(session, job_id)
            self._log(session, row, "message", text)
            return status_of(row), Changes([], [])

    def request_stop(self, job_id: str) -> None:
        """Remember that the end that comes is wanted."""
        with self._session() as session:
            get_job(session, job_id).stop_requested = True

    def set_stalled(self, job_id: str, stalled: bool) -> tuple[JobStatus, Changes]:
        """Mark a worker that has been silent for too long, or speaks again."""
        with self._session() as session:
            row = get_job(session, job_id)
            row.stalled = stalled
            silent = f"The worker has been silent for longer than it should; {_LOOK}"
            text = silent if stalled else "The worker speaks again"
            self._log(session, row, "message", text)
            return status_of(row), Changes([], [status_of(row)])

    def ingest(self, job_id: str) -> Intake:
        """Take over the next lines of the job's file."""
        path = self._runs / job_id / "events.jsonl"
        with self._session() as session:
            row = get_job(session, job_id)
            cut = self._heed_a_cut(session, row)
            lines, read = _lines_from(path, row.events_offset)
            points: list[MetricPoint] = []
            states: list[JobStatus] = []
            for line in lines:
                self._take(session, row, line, points, states)
            put_metrics(session, points)
            row.events_offset += read
            more = read > 0 and path.stat().st_size > row.events_offset
            return Intake(status_of(row), Changes(points, states), read > 0 or cut, more)

    def settle(
        self, job_id: str, ended: Exit, *, was_watched: bool, next_token: str, because: str | None = None
    ) -> tuple[JobStatus, Changes]:
        """The worker has ended and its file was read to the end: give the job the end that the worker could not.

        Where memory ran out and a smaller batch may do, that is a next attempt, queued under ``next_token``.
        ``because`` is why the server itself ended the worker, if it did.
        """
        with self._session() as session:
            row = get_job(session, job_id)
            row.exit_code, row.signal, row.ended_at = ended.code, ended.signal, _end(row)
            row.eta_seconds, row.stalled = None, False
            state = JobState(row.status)
            if state not in OPEN_STATES:
                return status_of(row), Changes([], [])
            row.log_tail = log_tail(self._runs / job_id)
            cause, error = (Cause.KILLED, f"{because}; {_LOOK}") if because else _why(row, ended, self._runs / job_id)
            spec, less = self._smaller(row)
            row.cause, row.error = cause, error
            if row.stop_requested:
                row.cause, row.error = Cause.USER, None
                changes = self._enter(session, row, JobState.STOPPED, "Stopped; the worker had to be killed")
            elif cause in OUT_OF_MEMORY and spec is not None and less is not None:
                # Before the commit: a server that is killed in between halves once more, and none goes on as before.
                write_spec(self._runs / job_id, less)
                changes = self._begin_again(session, row, next_token, "Waiting to go on with a smaller batch")
                self._log(session, row, "message", _going_on(cause, difference(spec, less)))
            elif ended.code is None and ended.signal is None and not was_watched and cause not in OUT_OF_MEMORY:
                row.cause = Cause.SERVER_RESTART
                row.error = "Worker and server ended together, as when the machine restarts"
                changes = self._enter(session, row, JobState.INTERRUPTED, "Interrupted")
            else:
                changes = self._enter(session, row, JobState.FAILED, "Failed")
            return status_of(row), changes

    def _smaller(self, row: JobRow) -> tuple[RunSpec | None, RunSpec | None]:
        """The run's spec, and one with a smaller batch, if there is one."""
        spec = spec_of(self._runs / row.id)
        return spec, smaller(spec) if spec is not None else None

    def _begin_again(self, session: Session, row: JobRow, token: str, message: str) -> Changes:
        # Before the next worker appends: later it could not be told from what was read.
        self._heed_a_cut(session, row)
        row.attempt += 1
        row.token = token
        row.place = _place(waiting_jobs(session), ahead=True)
        row.progress, row.eta_seconds, row.stalled = 0.0, None, False
        # From which checkpoint it goes on, the worker finds out.
        row.current_step = row.current_epoch = None
        row.error = row.cause = row.exit_code = row.signal = row.log_tail = row.ended_at = None
        return self._enter(session, row, JobState.QUEUED, message)

    def _heed_a_cut(self, session: Session, row: JobRow) -> bool:
        """Whether the file has lost lines that were read already, as in a power cut; then what comes is read from its
        present end on. Nothing is missing: steps after the newest checkpoint are done again."""
        path = self._runs / row.id / "events.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if size >= row.events_offset:
            return False
        gone = row.events_offset - size
        row.events_offset = size
        self._log(session, row, "message", f"The run's events have lost their last {gone} bytes, which were stored")
        return True

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _enter(self, session: Session, row: JobRow, state: JobState, message: str, *, told: bool = True) -> Changes:
        queued = JobState.QUEUED in (row.status, state)
        row.status = state
        row.message = message
        if state == JobState.STARTING and row.started_at is None:
            row.started_at = max(now(), row.created_at)
        if state not in OPEN_STATES:
            row.ended_at = _end(row)
            row.eta_seconds = None
        self._log(session, row, "state", f"{state}: {row.error or message}", told=told)
        if queued:
            self._queue_seq = row.seq
        return Changes([], [status_of(row)])

    def _log(self, session: Session, row: JobRow, kind: str, text: str, *, told: bool = True) -> None:
        row.seq = self._next()
        session.add(
            EventRow(
                seq=row.seq,
                job_id=row.id,
                attempt=row.attempt,
                at=now(),
                kind=kind,
                text=text,
                status=status_of(row).model_dump(mode="json"),
                told=told,
            )
        )

    def _take(
        self, session: Session, row: JobRow, line: bytes, points: list[MetricPoint], states: list[JobStatus]
    ) -> None:
        try:
            event = parse_event(line)
        except (ValidationError, ValueError):
            self._log(session, row, "message", f"A line of the run's events could not be read: {line[:80]!r}")
            return
        if event.attempt != row.attempt:
            self._log(session, row, "message", f"A worker of attempt {event.attempt} still speaks; it is not heard")
        elif isinstance(event, StateEvent):
            states.extend(self._take_state(session, row, event).states)
        elif isinstance(event, MetricsEvent):
            points.append(self._take_metrics(row, event))
        elif isinstance(event, ProgressEvent):
            _take_progress(row, event)
            row.seq = self._next()
        else:
            self._log(session, row, event.kind, _in_words(event))

    def _take_state(self, session: Session, row: JobRow, event: StateEvent) -> Changes:
        if event.state == row.status:
            return Changes([], [])
        try:
            check_transition(JobState(row.status), event.state)
        except IllegalTransition as error:
            self._log(session, row, "message", f"The worker said what cannot be: {error}")
            return Changes([], [])
        for name in ("total_steps", "total_epochs", "metrics"):
            if getattr(event, name) is not None:
                setattr(row, name, getattr(event, name))
        row.error, row.cause = event.error, event.cause
        if event.cause in OUT_OF_MEMORY and self._smaller(row)[1] is not None:
            return Changes([], [])  # it goes on, as soon as the process has ended and its memory is free
        if event.state == JobState.COMPLETED:
            row.progress = 100.0
            row.model_id = self._register(session, row)
        if event.state == JobState.FAILED:
            row.log_tail = log_tail(self._runs / row.id)
        return self._enter(session, row, event.state, event.message or event.state.capitalize())

    def _take_metrics(self, row: JobRow, event: MetricsEvent) -> MetricPoint:
        row.seq = self._next()
        for name in ("loss", "learning_rate", "eval_loss"):
            if name in event.values:
                setattr(row, name, event.values[name])
        values: dict[str, Any] = event.values
        return MetricPoint(
            seq=row.seq, job_id=row.id, attempt=event.attempt, step=event.step, epoch=event.epoch, **values
        )

    def _register(self, session: Session, row: JobRow) -> int:
        """Put the finished model into the registry, from the spec that was frozen beside it."""
        mend_spec(self._runs / row.id)
        spec = RunSpec.model_validate_json((self._runs / row.id / "spec.json").read_text(encoding="utf-8"))
        config = spec.config.model_dump()
        row.config = config
        model = ModelRow(
            name=spec.name,
            base_model=spec.config.model_name,
            task=spec.config.task,
            provider=spec.config.provider,
            strategy=spec.config.strategy,
            created_at=now(),
            size_mb=size_mb(Path(spec.output_dir)),
            path=spec.output_dir,
            job_id=row.id,
            dataset=spec.config.dataset,
            training_params={
                "num_epochs": spec.config.num_train_epochs,
                "batch_size": spec.config.per_device_train_batch_size,
                **config,
            },
            metrics=row.metrics or {},
            lineage=[ancestor.model_dump() for ancestor in spec.lineage],
        )
        session.add(model)
        session.flush()
        return model.id


def _place(waiting: Sequence[JobRow], *, ahead: bool) -> int:
    """A place before or behind all those that wait."""
    if not waiting:
        return 0
    return waiting[0].place - 1 if ahead else waiting[-1].place + 1


def _end(row: JobRow) -> datetime:
    """The present, and not before the job's start: the clock may have been set back meanwhile."""
    return max(now(), row.started_at or row.created_at)


def log_tail(run_dir: Path) -> list[str]:
    """The last lines of the run's log."""
    try:
        with (run_dir / "worker.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").rstrip("\n").split("\n")[-LOG_TAIL_LINES:]
    except FileNotFoundError:
        return []


def _lines_from(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Whole lines from the offset on, about BATCH_BYTES of them, and how many bytes they take."""
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(BATCH_BYTES)
            if data and not data.endswith(b"\n"):
                end = data.rfind(b"\n") + 1
                data = data[:end] if end else data + stream.readline()
    except FileNotFoundError:
        return [], 0
    if not data.endswith(b"\n"):
        return [], 0
    return [line for line in data.split(b"\n") if line.strip()], len(data)


def _take_progress(row: JobRow, event: ProgressEvent) -> None:
    row.current_step, row.total_steps, row.total_epochs = event.step, event.total_steps, event.total_epochs
    row.current_epoch = min(int(event.epoch) + 1, event.total_epochs)
    row.eta_seconds = event.eta_seconds
    # 100 is kept for completed: after the last step the model is still to be evaluated and saved.
    row.progress = max(row.progress, min(99.9, round(100 * event.step / max(1, event.total_steps), 1)))


def _in_words(event: Event) -> str:
    if isinstance(event, CheckpointEvent):
        return f"Checkpoint at step {event.step}"
    if isinstance(event, SampleEvent):
        return f"Asked at step {event.step}"  # what it said is read from the run's events (jobs.said)
    assert isinstance(event, MessageEvent)
    return event.text


def _why(row: JobRow, ended: Exit, run_dir: Path) -> tuple[Cause, str]:
    """Why a job whose state is open has no worker any more: by the worker's last word, or by how it ended."""
    if row.cause is not None and row.error is not None:
        return Cause(row.cause), row.error
    tail = row.log_tail or []
    # One that had no memory left to say so: by what Python or the C++ library wrote.
    said = memory_cause("\n".join(tail)) if ended.code or ended.signal == "SIGABRT" else None
    if ended.out_of_memory or said is not None:
        return said or Cause.OOM_HOST, f"The worker {ended}{'' if ended.out_of_memory else ': out of memory'}. {LESS}"
    if ended.code and run_dir.exists() and is_full(run_dir):  # which had no room for its last word, either
        return Cause.DISK_FULL, no_room(run_dir)
    return Cause.KILLED if ended.signal else Cause.ERROR, _explain(ended, tail)


def _going_on(cause: Cause, difference: str) -> str:
    whose = "GPU" if cause == Cause.OOM_GPU else "machine"
    return (
        f"The {whose}'s memory ran out: going on from the last checkpoint with {difference}. An optimizer step learns "
        "from the same examples as before"
    )


def _explain(ended: Exit, tail: list[str]) -> str:
    if ended.code == 0:
        return "The worker ended without saying how: its last words are missing from the run's events"
    hint = ""
    if ended.signal == "SIGKILL":
        hint = ". Somebody killed it, or the system did because memory ran out: try a smaller batch or model"
    said = next((line.strip() for line in reversed(tail) if line.strip()), "")
    return f"The worker {ended}{hint}" + (f". Its log ends with: {said}" if said else "")
