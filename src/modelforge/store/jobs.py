"""Jobs, their metrics and events in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

from modelforge.contracts.job import OPEN_STATES, Cause, JobEvent, JobState, JobStatus, JobSummary, MetricPoint
from modelforge.errors import NotFound
from modelforge.store.tables import EventRow, JobRow, MetricRow
from modelforge.store.thinning import thinned_metrics

_PLACE = frozenset(("seq", "job_id", "attempt", "step", "epoch"))
"""Fields of a point that say which it is; the others were measured."""


def get_job(session: Session, job_id: str) -> JobRow:
    """The job; raises NotFound."""
    row = session.scalar(select(JobRow).where(JobRow.id == job_id))
    if row is None:
        raise NotFound(f"there is no job '{job_id}'; GET /api/jobs lists those there are")
    return row


def active_jobs(session: Session) -> Sequence[JobRow]:
    """Jobs that have not ended, oldest first."""
    return session.scalars(select(JobRow).where(JobRow.status.in_(OPEN_STATES)).order_by(JobRow.number)).all()


def waiting_jobs(session: Session) -> Sequence[JobRow]:
    """The queue: jobs that wait for the device, the next one first."""
    chosen = select(JobRow).where(JobRow.status == JobState.QUEUED)
    return session.scalars(chosen.order_by(JobRow.place, JobRow.number)).all()


def positions(session: Session) -> dict[str, int]:
    """The places of the jobs that wait, from 1."""
    return {row.id: place for place, row in enumerate(waiting_jobs(session), start=1)}


def open_job_named(session: Session, name: str) -> JobRow | None:
    """The job that waits or runs and is to make the model of that name; case does not count, as with models."""
    chosen = select(JobRow).where(JobRow.status.in_(OPEN_STATES), func.lower(JobRow.name) == name.lower())
    return session.scalar(chosen.limit(1))


def unfinished_ends(session: Session) -> Sequence[JobRow]:
    """Jobs that have ended by their worker's own word, but whose worker was not seen to end."""
    chosen = select(JobRow).where(
        JobRow.status.not_in(OPEN_STATES),
        JobRow.started_at.is_not(None),
        JobRow.exit_code.is_(None),
        JobRow.signal.is_(None),
        JobRow.cause.is_distinct_from(Cause.SERVER_RESTART),
    )
    return session.scalars(chosen.order_by(JobRow.number)).all()


def newest_interrupted(session: Session) -> JobRow | None:
    """The job that was interrupted last, if its owner did not want it to end."""
    chosen = select(JobRow).where(JobRow.status == JobState.INTERRUPTED, JobRow.stop_requested.is_(False))
    return session.scalar(chosen.order_by(JobRow.seq.desc()).limit(1))


def made_checkpoint(session: Session, job_id: str, attempt: int) -> bool:
    """Whether that attempt of the job came as far as a checkpoint."""
    chosen = select(EventRow.seq).where(
        EventRow.job_id == job_id, EventRow.attempt == attempt, EventRow.kind == "checkpoint"
    )
    return session.scalar(chosen.limit(1)) is not None


def status_at(session: Session, seq: int) -> dict[str, Any] | None:
    """The status that was told at the newest change of state up to ``seq``."""
    chosen = select(EventRow.status).where(EventRow.seq <= seq, EventRow.told)
    return session.scalar(chosen.order_by(EventRow.seq.desc()).limit(1))


def newest_job(session: Session) -> JobRow | None:
    """The job that changed last, of those that ever had their turn."""
    chosen = select(JobRow).where(JobRow.started_at.is_not(None))
    return session.scalar(chosen.order_by(JobRow.seq.desc()).limit(1))


def list_jobs(
    session: Session, limit: int | None, offset: int, states: Sequence[JobState] = ()
) -> tuple[Sequence[JobRow], int]:
    """Jobs, oldest first, and how many there are in all; of these ``states`` alone where there are some."""
    chosen = JobRow.status.in_(states) if states else true()
    total = session.scalar(select(func.count()).select_from(JobRow).where(chosen)) or 0
    return session.scalars(
        select(JobRow).where(chosen).order_by(JobRow.number).limit(limit).offset(offset)
    ).all(), total


def last_seq(session: Session) -> int:
    """The highest number given so far."""
    newest = (session.scalar(select(func.max(column))) or 0 for column in (JobRow.seq, EventRow.seq, MetricRow.seq))
    return max(newest)


def put_metrics(session: Session, points: Sequence[MetricPoint]) -> None:
    """Store what was measured, of one job, in the order in which it was: of each value of a step the newest stands, a
    later attempt's too."""
    if not points:
        return
    # Asked for and written together: one by one, they were half of what a server does while a run trains (measured).
    steps = [point.step for point in points]
    chosen = select(MetricRow).where(MetricRow.job_id == points[0].job_id)
    known = {row.step: row for row in session.scalars(chosen.where(MetricRow.step.between(min(steps), max(steps))))}
    for point in points:
        values = {name: value for name, value in point if name not in _PLACE and value is not None}
        row = known.get(point.step)
        if row is None:
            row = known[point.step] = MetricRow(job_id=point.job_id, step=point.step, values={})
            session.add(row)
        row.values = {**row.values, **values}
        row.attempt, row.seq, row.epoch = point.attempt, point.seq, point.epoch or 0.0


def list_metrics(
    session: Session, job_id: str, limit: int | None, offset: int, after: int | None = None, most: int | None = None
) -> tuple[list[MetricPoint], int]:
    """A job's points by step, those behind the step ``after`` if that is given, and how many there are in all; ``most``
    of each value that was measured."""
    chosen = MetricRow.job_id == job_id
    if after is not None:
        chosen &= MetricRow.step > after
    total = session.scalar(select(func.count()).where(chosen)) or 0
    if most is not None:
        return thinned_metrics(session, chosen, most), total
    # Columns rather than rows of the ORM, which take three times as long and hold up the event loop meanwhile.
    columns = (MetricRow.seq, MetricRow.attempt, MetricRow.step, MetricRow.epoch, MetricRow.values)
    rows = select(*columns).where(chosen).order_by(MetricRow.step).limit(limit).offset(offset)
    points = [
        MetricPoint(seq=seq, job_id=job_id, attempt=attempt, step=step, epoch=epoch, **values)
        for seq, attempt, step, epoch, values in session.execute(rows)
    ]
    return points, total


def metrics_after(session: Session, seq: int, until: int, limit: int) -> list[MetricPoint]:
    """The points of all jobs with ``seq < point.seq <= until``, by their number."""
    chosen = select(MetricRow).where(MetricRow.seq > seq, MetricRow.seq <= until).order_by(MetricRow.seq)
    return [point(row) for row in session.scalars(chosen.limit(limit))]


def events_after(session: Session, seq: int, until: int, limit: int) -> Sequence[EventRow]:
    """The changes of state and messages of all jobs with ``seq < row.seq <= until`` that listeners are told."""
    chosen = select(EventRow).where(EventRow.seq > seq, EventRow.seq <= until, EventRow.told)
    return session.scalars(chosen.order_by(EventRow.seq).limit(limit)).all()


def newest_events(session: Session, job_id: str, limit: int = 100) -> list[JobEvent]:
    """What happened to a job last, oldest first. What its model said is no part of it: a long run would have nothing
    else (``jobs.said``)."""
    chosen = select(EventRow).where(EventRow.job_id == job_id, EventRow.kind != "sample")
    chosen = chosen.order_by(EventRow.seq.desc()).limit(limit)
    return [
        JobEvent(seq=row.seq, attempt=row.attempt, at=row.at, kind=row.kind, text=row.text)
        for row in reversed(session.scalars(chosen).all())
    ]


def point(row: MetricRow) -> MetricPoint:
    values: dict[str, Any] = row.values
    return MetricPoint(seq=row.seq, job_id=row.job_id, attempt=row.attempt, step=row.step, epoch=row.epoch, **values)


_STATUS_FIELDS = [name for name in JobStatus.model_fields if name != "job_id"]
_SUMMARY_FIELDS = [name for name in JobSummary.model_fields if name not in ("job_id", "position")]


def status_of(row: JobRow) -> JobStatus:
    """How the job stands."""
    return JobStatus(job_id=row.id, **{name: getattr(row, name) for name in _STATUS_FIELDS})


def summary_of(row: JobRow, position: int | None) -> JobSummary:
    """The job for a list; ``position`` is its place in the queue."""
    return JobSummary(job_id=row.id, position=position, **{name: getattr(row, name) for name in _SUMMARY_FIELDS})
