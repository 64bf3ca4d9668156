"""Trained models in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from modelforge.catalogue import BUNDLED_MODELS
from modelforge.contracts.model import ModelDetail, ModelSummary
from modelforge.errors import Conflict, NotFound
from modelforge.store.jobs import open_job_named
from modelforge.store.tables import DeletedModelRow, ModelRow


def get_model(session: Session, model_id: int) -> ModelRow:
    """The model; raises NotFound."""
    row = session.get(ModelRow, model_id)
    if row is None:
        raise NotFound(f"there is no model {model_id}; GET /api/models lists those there are")
    return row


def model_named(session: Session, name: str) -> ModelRow | None:
    """The model of that name. Names that differ in case only are one name, as on many file systems."""
    return session.scalar(select(ModelRow).where(func.lower(ModelRow.name) == name.lower()))


def list_models(session: Session, limit: int | None, offset: int) -> tuple[Sequence[ModelRow], int]:
    """Models, oldest first, and how many there are in all."""
    total = session.scalar(select(func.count()).select_from(ModelRow)) or 0
    return session.scalars(select(ModelRow).order_by(ModelRow.id).limit(limit).offset(offset)).all(), total


def summary_of(row: ModelRow | DeletedModelRow) -> ModelSummary:
    return ModelSummary(**{name: getattr(row, name) for name in ModelSummary.model_fields})


def detail_of(row: ModelRow) -> ModelDetail:
    return ModelDetail(**{name: getattr(row, name) for name in ModelDetail.model_fields})


def rename_model(session: Session, model_id: int, name: str) -> ModelRow:
    """Call the model otherwise. Its folder stays where it is: runs and adapters stand on that. Raises NotFound, or
    Conflict for a name that is taken."""
    row = get_model(session, model_id)
    row.name = name
    _settle(session, row)
    return row


def list_deleted(session: Session) -> Sequence[DeletedModelRow]:
    """What lies in the trash, in the order in which it came there."""
    return session.scalars(select(DeletedModelRow).order_by(DeletedModelRow.deleted_at, DeletedModelRow.id)).all()


def get_deleted(session: Session, model_id: int) -> DeletedModelRow:
    """The model in the trash; raises NotFound."""
    row = session.get(DeletedModelRow, model_id)
    if row is None:
        raise NotFound(f"there is no model {model_id} in the trash; GET /api/trash lists those there are")
    return row


def delete_model(session: Session, row: ModelRow, deleted_at: datetime) -> DeletedModelRow:
    """Have the trash hold the model."""
    deleted = DeletedModelRow(**_values(row), deleted_at=deleted_at)
    session.add(deleted)
    session.delete(row)
    session.flush()
    return deleted


def restore_model(session: Session, deleted: DeletedModelRow) -> ModelRow:
    """Take the model out of the trash, under its id. Raises Conflict where its name is taken by now."""
    values = _values(deleted)
    del values["deleted_at"]
    row = ModelRow(**values)
    session.add(row)
    session.delete(deleted)
    _settle(session, row)
    return row


def folder_for(session: Session, models: Path, name: str, job_id: str) -> Path:
    """Where a job's model of that name goes: never where another one lies that was renamed, or lay
    before it came into the trash."""
    folder = models / name
    return folder if holder_of(session, folder) is None else models / f"{name}.{job_id}"


def holder_of(session: Session, folder: Path) -> ModelRow | DeletedModelRow | None:
    """The model whose folder that is, or was before it came into the trash; case does not count, as with names."""
    path = str(folder).lower()
    there = session.scalar(select(ModelRow).where(func.lower(ModelRow.path) == path).limit(1))
    if there is not None:
        return there
    return session.scalar(select(DeletedModelRow).where(func.lower(DeletedModelRow.path) == path).limit(1))


def _settle(session: Session, row: ModelRow) -> None:
    """Write the model under its name. Raises Conflict where another model, a bundled one, or a job that is to make one
    has it."""
    taken = Conflict(f"a model '{row.name}' exists already: choose another name, or rename or delete that one first")
    try:
        # Written before it is looked around: in SQLite, nobody else can take the name from here on.
        session.flush()
    except IntegrityError as error:
        raise taken from error
    alike = select(ModelRow.id).where(func.lower(ModelRow.name) == row.name.lower(), ModelRow.id != row.id)
    if row.name.lower() in BUNDLED_MODELS or session.scalar(alike.limit(1)) is not None:
        raise taken
    rival = open_job_named(session, row.name)
    if rival is not None:
        raise Conflict(f"job {rival.id} is to make the model '{row.name}': choose another name, or stop that job")


def _values(row: ModelRow | DeletedModelRow) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
