"""The one way in which a checked file becomes a version of a dataset, wherever it came from."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from anyio import to_thread
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from modelforge.api.deps import State
from modelforge.contracts.base import now
from modelforge.contracts.dataset import Change
from modelforge.datasets import ingest
from modelforge.files import size_mb, sync_folder
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.datasets import check_parent, next_version
from modelforge.store.tables import DatasetRow

T = TypeVar("T")

_ROWS = (".jsonl", ".ndjson")
"""Names that say what a dataset's file holds; to another, as of the table that it was read from, the first is added."""
_BEGUN = ".begun"
"""Lies in a folder until its version is in the database."""
_ABANDONED = 3600.0
"""Seconds after which nobody is still at it: a command may add data beside the server."""
_TRIES = 100
"""For a version's number, which another may take first, in this process or beside it: commands need no server."""


async def keep(
    here: State, path: Path, filename: str, report: ingest.Report, change: Change, parent: DatasetRow | None = None
) -> DatasetRow:
    """Give the rows at ``path``, which is moved, their place and their row in the database; both or neither, whoever is
    cancelled meanwhile.

    ``filename`` is what the dataset is called, made safe. ``parent`` is the version that it was made from. Raises
    NotFound where that was deleted meanwhile, and Conflict where edits were made against it and a newer one has come.
    """
    return await _finished(to_thread.run_sync(_keep, here, path, filename, report, change, parent))


def drop_unkept(settings: Settings, database: Database) -> None:
    """Remove what a server that was killed left half done: folders that no version got, and those of versions that were
    deleted. A folder that nobody knows of stays: it may be known to a database that was lost."""
    with database.session() as session:
        versions = session.execute(select(DatasetRow.path, DatasetRow.deleted)).all()
    # By its own name alone: the home folder may have been moved.
    deleted = {Path(path).parent.name: deleted for path, deleted in versions}
    for folder in settings.datasets.iterdir():
        was_deleted = deleted.get(folder.name)
        if was_deleted or (was_deleted is None and _is_abandoned(folder)):
            shutil.rmtree(folder, ignore_errors=True)
        elif was_deleted is False:
            (folder / _BEGUN).unlink(missing_ok=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        begun = (folder / _BEGUN).stat().st_mtime
    except OSError:
        return False
    return begun < time.time() - _ABANDONED


def _keep(
    here: State, path: Path, filename: str, report: ingest.Report, change: Change, parent: DatasetRow | None
) -> DatasetRow:
    # Not the row's id: a folder that a killed server left without its row would be in the way of the next arrival.
    folder = here.settings.datasets / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    place = folder / _stored(filename)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / _BEGUN).touch()
        _move(path, place)
        row = _entered(here.database, place, filename, report, change, parent)
        undo.pop_all()
    (folder / _BEGUN).unlink(missing_ok=True)
    return row


def _entered(
    database: Database, place: Path, filename: str, report: ingest.Report, change: Change, parent: DatasetRow | None
) -> DatasetRow:
    tries = 0
    while True:
        try:
            with database.session() as session:
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
            return row
        except IntegrityError:  # somebody else has that number now
            tries += 1
            if tries == _TRIES:
                raise


def _move(path: Path, place: Path) -> None:
    """Also to another disk, and so that it is there after a power cut, as its row is."""
    shutil.move(path, place)
    with place.open("rb+") as rows:
        os.fsync(rows.fileno())
    for folder in (place.parent, place.parent.parent):
        sync_folder(folder)


def _stored(filename: str) -> str:
    """What the file is called on the disk, where it always holds JSON Lines."""
    if Path(filename).suffix.lower() in _ROWS:
        return filename
    return ingest.safe_filename(f"{filename}{_ROWS[0]}")


async def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, to its end: a version that is being kept is there or not, whoever cancels what."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done():
                break
    return task.result()
