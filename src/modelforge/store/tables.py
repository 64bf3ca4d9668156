"""The tables. A change here needs a migration under ``migrations/versions``; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, String, Text, TypeDecorator, true
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Table(DeclarativeBase):
    """What all tables share: how Python's types are stored."""

    type_annotation_map = {  # noqa: RUF012
        dict[str, Any]: JSON,
        list[str]: JSON,
        dict[str, float]: JSON,
        datetime: Utc,
    }


_RISING = {"sqlite_autoincrement": True}
"""Ids rise and are never used again, which SQLite promises with AUTOINCREMENT only."""


class JobRow(Table):
    """A job and how its newest attempt stands."""

    __tablename__ = "jobs"
    __table_args__ = _RISING

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(128), index=True)
    status: Mapped[str] = mapped_column(String(16), index=True)
    attempt: Mapped[int] = mapped_column(default=1)
    task: Mapped[str] = mapped_column(String(64))
    strategy: Mapped[str] = mapped_column(String(32))
    provider: Mapped[str] = mapped_column(String(32))
    model_name: Mapped[str] = mapped_column(Text)
    dataset: Mapped[str] = mapped_column(Text)
    config: Mapped[dict[str, Any]]
    token: Mapped[str] = mapped_column(String(64))
    """Proves that a process is this job's worker: it carries the token in its environment."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    progress: Mapped[float] = mapped_column(default=0.0)
    current_epoch: Mapped[int | None]
    total_epochs: Mapped[int | None]
    current_step: Mapped[int | None]
    total_steps: Mapped[int | None]
    loss: Mapped[float | None]
    learning_rate: Mapped[float | None]
    eval_loss: Mapped[float | None]
    eta_seconds: Mapped[float | None]
    message: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    cause: Mapped[str | None] = mapped_column(String(32))
    stalled: Mapped[bool] = mapped_column(default=False)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)

    exit_code: Mapped[int | None]
    signal: Mapped[str | None] = mapped_column(String(32))
    log_tail: Mapped[list[str] | None]
    metrics: Mapped[dict[str, float] | None]
    model_id: Mapped[int | None]
    events_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes of ``events.jsonl`` that are in this database."""
    stop_requested: Mapped[bool] = mapped_column(default=False)
    place: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Orders the jobs that wait, the lowest first; means nothing in another state."""


class MetricRow(Table):
    """What was measured at a step of an attempt."""

    __tablename__ = "metrics"
    __table_args__ = (Index("ix_metrics_seq", "seq"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    """The newest attempt that came to this step; its values stand."""
    seq: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[float]
    values: Mapped[dict[str, float]]


class EventRow(Table):
    """A change of state or something said, with the status as it was then."""

    __tablename__ = "events"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    attempt: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    status: Mapped[dict[str, Any]]
    told: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Whether it is part of what listeners are told. What becomes of a job that waits is not: they are told of the
    present one."""


class IdempotencyRow(Table):
    """A request that made a job, and may come again: its reply is given anew, for as long as the job is known."""

    __tablename__ = "idempotency"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    """Tells whether it is the same request: a digest of its path and body."""
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    reply: Mapped[dict[str, Any]]


class _Model:
    """What is known of a finished model."""

    base_model: Mapped[str] = mapped_column(Text)
    task: Mapped[str] = mapped_column(String(64))
    provider: Mapped[str] = mapped_column(String(32))
    strategy: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    size_mb: Mapped[float]
    path: Mapped[str] = mapped_column(Text)
    job_id: Mapped[str] = mapped_column(String(64), index=True)
    dataset: Mapped[str] = mapped_column(Text)
    training_params: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, float]]
    lineage: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default="[]")


class ModelRow(_Model, Table):
    """A finished model."""

    __tablename__ = "models"
    __table_args__ = _RISING

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)


class DeletedModelRow(_Model, Table):
    """A model in the trash; ``path`` is where its folder lay, and lies again when it is restored."""

    __tablename__ = "deleted_models"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The one that it had, and gets back."""
    name: Mapped[str] = mapped_column(String(128))
    deleted_at: Mapped[datetime]


class KeyRow(Table):
    """An API key, by its hash."""

    __tablename__ = "api_keys"
    __table_args__ = _RISING

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str | None] = mapped_column(String(128))
    prefix: Mapped[str] = mapped_column(String(16))
    """How it begins, to be told apart by."""
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class DatasetRow(Table):
    """One version of an uploaded dataset."""

    __tablename__ = "datasets"
    __table_args__ = (
        Index("ix_datasets_name_version", "filename", "version", unique=True),
        _RISING,
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    filename: Mapped[str] = mapped_column(String(255))
    version: Mapped[int]
    num_examples: Mapped[int]
    size_mb: Mapped[float]
    uploaded_at: Mapped[datetime]
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    shape: Mapped[str | None] = mapped_column(String(64))
    report: Mapped[dict[str, Any]]
    parent_id: Mapped[int | None]
    """The version that it was made from; None for one that came from outside."""
    change: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    """How it was made: ``contracts.dataset.Change``."""
    examination: Mapped[dict[str, Any] | None]
    """What was found over all rows together: ``contracts.examination.Examination``."""
    deleted: Mapped[bool] = mapped_column(default=False)
    """Kept as a row, so that the next upload of the name gets a version of its own."""
