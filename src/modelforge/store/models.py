"""Trained models in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelforge.contracts.model import ModelDetail, ModelSummary
from modelforge.errors import NotFound
from modelforge.store.tables import ModelRow


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


def summary_of(row: ModelRow) -> ModelSummary:
    return ModelSummary(**{name: getattr(row, name) for name in ModelSummary.model_fields})


def detail_of(row: ModelRow) -> ModelDetail:
    return ModelDetail(**{name: getattr(row, name) for name in ModelDetail.model_fields})
