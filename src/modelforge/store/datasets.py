"""Uploaded datasets in the database."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from modelforge.contracts.dataset import Change, DatasetDetail, DatasetSummary, Validation
from modelforge.contracts.examination import Examination
from modelforge.contracts.version import DatasetVersion
from modelforge.errors import Conflict, NotFound, did_you_mean
from modelforge.store.tables import DatasetRow


def dataset_named(session: Session, filename: str, version: int | None = None) -> DatasetRow | None:
    """That version of the name, or the newest."""
    chosen = _named(filename)
    if version is not None:
        chosen = chosen.where(DatasetRow.version == version)
    return session.scalar(chosen.order_by(DatasetRow.version.desc()).limit(1))


def get_dataset(session: Session, filename: str, version: int | None = None) -> DatasetRow:
    """That version of the name, or the newest; raises NotFound that names the nearest one."""
    row = dataset_named(session, filename, version)
    if row is None and (newest := dataset_named(session, filename)) is not None:
        raise NotFound(f"dataset '{filename}' has no version {version}; its newest is {newest.version}")
    if row is None:
        known = session.scalars(select(DatasetRow.filename).where(DatasetRow.deleted.is_(False)).distinct())
        raise NotFound(f"there is no dataset '{filename}'.{did_you_mean(filename, known)}")
    return row


def versions_of(session: Session, filename: str) -> Sequence[DatasetRow]:
    """Every version that is not deleted, oldest first."""
    return session.scalars(_named(filename).order_by(DatasetRow.version)).all()


def _named(filename: str) -> Select[DatasetRow]:
    """Names that look alike are one, as where uploads are stored."""
    filename = unicodedata.normalize("NFC", filename)
    return select(DatasetRow).where(DatasetRow.filename == filename, DatasetRow.deleted.is_(False))


def check_parent(session: Session, row: DatasetRow, *, newest: bool) -> None:
    """Raises NotFound where the version was deleted meanwhile, with ``newest`` Conflict where a newer one has come."""
    present = get_dataset(session, row.filename)
    if newest and present.id != row.id:
        raise outdated(present, row.version)
    get_dataset(session, row.filename, row.version)


def outdated(newest: DatasetRow, version: int) -> Conflict:
    """What to tell of edits that were made against an older version."""
    return Conflict(
        f"dataset '{newest.filename}' has a newer version than {version}: {newest.version}. Look at it, and make the "
        "edits again there"
    )


def ancestors_of(session: Session, row: DatasetRow) -> list[int]:
    """The ids of the version and of those that it was made of, back to the one that came from outside."""
    found = [row.id]
    parent = row.parent_id
    while parent is not None and parent not in found:
        found.append(parent)
        parent = session.scalar(select(DatasetRow.parent_id).where(DatasetRow.id == parent))
    return found


def mapping_for(session: Session, filename: str, columns: Collection[str]) -> dict[str, Any] | None:
    """The newest mapping that was applied to a version of the name with these columns, as ``ColumnMapping``."""
    for row in reversed(versions_of(session, filename)):
        details = row.change.get("details", {})
        if row.change.get("how") == "map" and sorted(details["columns"]) == sorted(columns):
            return dict(details["mapping"])
    return None


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


def version_of(row: DatasetRow, numbers: Mapping[int, int]) -> DatasetVersion:
    """``numbers`` has the versions by their ids."""
    return DatasetVersion(
        **summary_of(row).model_dump(),
        num_rows=row.report.get("num_rows", row.num_examples),
        sha256=row.sha256,
        parent=None if row.parent_id is None else numbers.get(row.parent_id),
        change=Change(**row.change) if row.change else None,
    )


def detail_of(row: DatasetRow) -> DatasetDetail:
    return DatasetDetail(
        **summary_of(row).model_dump(),
        validation=Validation(**row.report),
        examination=None if row.examination is None else Examination(**row.examination),
        sha256=row.sha256,
        path=row.path,
    )
