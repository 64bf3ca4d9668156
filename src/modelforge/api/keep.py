"""The one way in which a checked file becomes a version of a dataset, wherever it came from."""

from __future__ import annotations

import secrets
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

from modelforge.api.deps import State
from modelforge.contracts.base import now
from modelforge.contracts.dataset import Change
from modelforge.datasets import ingest
from modelforge.files import size_mb
from modelforge.store.datasets import check_parent, next_version
from modelforge.store.tables import DatasetRow

_ROWS = (".jsonl", ".ndjson")
"""Names that say what a dataset's file holds; to another, as of the table that it was read from, the first is added."""
_NUMBERING = threading.Lock()
"""Held from a version's number to its commit, so that no two arrivals under one name get the same."""


def keep(
    here: State, path: Path, filename: str, report: ingest.Report, change: Change, parent: DatasetRow | None = None
) -> DatasetRow:
    """Give the rows at ``path``, which is moved, their place and their row in the database; both or neither.

    ``filename`` is what the dataset is called, made safe. ``parent`` is the version that it was made from. Raises
    NotFound where that was deleted meanwhile, and Conflict where edits were made against it and a newer one has come.
    """
    # Not the row's id: a folder that a killed server left without its row would be in the way of the next arrival.
    folder = here.settings.datasets / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    place = folder / _stored(filename)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        path.replace(place)
        with _NUMBERING, here.database.session() as session:
            if parent is not None:
                check_parent(session, parent, newest=change.how == "edit")
            row = DatasetRow(
                filename=filename,
                version=next_version(session, filename),
                num_examples=report.num_examples,
                size_mb=size_mb(place),
                uploaded_at=now(),
                path=str(place),
                sha256=report.sha256,
                shape=report.shape,
                report=ingest.to_validation(report).model_dump(),
                parent_id=None if parent is None else parent.id,
                change=change.model_dump(),
                deleted=False,
            )
            session.add(row)
        undo.pop_all()
    return row


def _stored(filename: str) -> str:
    """What the file is called on the disk, where it always holds JSON Lines."""
    if Path(filename).suffix.lower() in _ROWS:
        return filename
    return ingest.safe_filename(f"{filename}{_ROWS[0]}")
