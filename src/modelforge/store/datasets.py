"""Uploaded datasets in the database."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelforge.contracts.dataset import DatasetDetail, DatasetSummary, Validation
from modelforge.errors import NotFound, did_you_mean
from modelforge.store.tables import DatasetRow


def dataset_named(session: Session, filename: str) -> DatasetRow | None:
    """The newest version of the name; names that look alike are one, as where uploads are stored."""
    filename = unicodedata.normalize("NFC", filename)
    chosen = select(DatasetRow).where(DatasetRow.filename == filename, DatasetRow.deleted.is_(False))
    return session.scalar(chosen.order_by(DatasetRow.version.desc()).limit(1))


def get_dataset(session: Session, filename: str) -> DatasetRow:
    """The newest version of the name; raises NotFound that names the nearest one."""
    row = dataset_named(session, filename)
    if row is None:
        known = session.scalars(select(DatasetRow.filename).where(DatasetRow.deleted.is_(False)).distinct())
        raise NotFound(f"there is no dataset '{filename}'.{did_you_mean(filename, known)}")
    return row


def versions_of(session: Session, filename: str) -> Sequence[DatasetRow]:
    """Every version that is not deleted, oldest first."""
    chosen = select(DatasetRow).where(DatasetRow.filename == filename, DatasetRow.deleted.is_(False))
    return session.scalars(chosen.order_by(DatasetRow.version)).all()


def next_version(session: Session, filename: str) -> int:
    """1 for a name that was never used, else one more than its last."""
    last = session.scalar(select(func.max(DatasetRow.version)).where(DatasetRow.filename == filename))
    return (last or 0) + 1


def list_datasets(session: Session, limit: int | None, offset: int) -> tuple[Sequence[DatasetRow], int]:
    """The newest version of each name, oldest first, and how many names there are."""
    newest = select(func.max(DatasetRow.id)).where(DatasetRow.deleted.is_(False)).group_by(DatasetRow.filename)
    chosen = select(DatasetRow).where(DatasetRow.id.in_(newest))
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    return session.scalars(chosen.order_by(DatasetRow.id).limit(limit).offset(offset)).all(), total


def summary_of(row: DatasetRow) -> DatasetSummary:
    return DatasetSummary(
        **{name: getattr(row, name) for name in DatasetSummary.model_fields if name != "valid"},
        valid=bool(row.report["valid"]),
    )


def detail_of(row: DatasetRow) -> DatasetDetail:
    return DatasetDetail(
        **summary_of(row).model_dump(), validation=Validation(**row.report), sha256=row.sha256, path=row.path
    )
