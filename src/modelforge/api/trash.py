"""Deleted models: kept for some days, brought back, or gone for good.

The database says which models there are; folders follow it. A folder is moved before what it is moved for is committed,
and moved back where that fails, so only the end of the process between the two leaves them at odds: ``reconcile`` then
moves the folder to where the database has it.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from modelforge.contracts.base import now
from modelforge.contracts.model import DeletedModel
from modelforge.errors import Conflict, Fault, ModelForgeError, NotFound
from modelforge.files import read_json_or_none
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.jobs import active_jobs
from modelforge.store.models import (
    delete_model,
    get_deleted,
    get_model,
    holder_of,
    list_deleted,
    list_models,
    restore_model,
    summary_of,
)
from modelforge.store.tables import DeletedModelRow, ModelRow

log = logging.getLogger(__name__)

SWEEP_SECONDS = 3600.0
_GONE = ".gone"
"""How the name of a folder ends that is being deleted for good: whatever else was to be said of it, it goes."""


class Trash:
    """The deleted models of a home folder. What touches the disk blocks."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def all(self) -> list[DeletedModel]:
        """In the order in which they were deleted."""
        with self._database.session() as session:
            return [self._shown(row) for row in list_deleted(session)]

    def put(self, model_id: int) -> ModelRow:
        """Take the model out of the registry and its folder into the trash; what it was comes back. ``settle`` says for
        how long it stays there. Raises NotFound, and Conflict while another model or a job stands on it."""
        with ExitStack() as undo:
            with self._database.session() as session:
                row = get_model(session, model_id)
                self._check_unused(session, row)
                deleted = delete_model(session, row, now())
                self._move(Path(row.path), self._place(deleted), undo)
            undo.pop_all()
        return row

    def settle(self, model_id: int) -> datetime | None:
        """Until when a model in the trash can be restored. None for one that goes at once, since nothing is kept or it
        has no folder."""
        if not self._settings.trash_days:
            self.expire()
            return None
        with self._database.session() as session:
            deleted = get_deleted(session, model_id)
        if not self._place(deleted).is_dir():
            self.remove(model_id)
            return None
        return self._until(deleted.deleted_at)

    def restore(self, model_id: int) -> ModelRow:
        """Put the model back to where it was. Raises NotFound, and Conflict where its name or its folder is taken by
        now, or its base model is in the trash, too."""
        with ExitStack() as undo:
            with self._database.session() as session:
                deleted = get_deleted(session, model_id)
                folder, place = Path(deleted.path), self._place(deleted)
                if not place.is_dir():
                    raise NotFound(f"the folder {place} of model '{deleted.name}' is gone, so it cannot be restored")
                self._check_base(session, deleted, place)
                row = restore_model(session, deleted)
                self._check_place(session, row)
                self._move(place, folder, undo)
            undo.pop_all()
        return row

    def remove(self, model_id: int) -> int:
        """Delete a model in the trash for good; the bytes that come free. Raises NotFound, and Conflict while an
        adapter on it is in the trash."""
        with ExitStack() as undo:
            with self._database.session() as session:
                deleted = get_deleted(session, model_id)
                place = self._place(deleted)
                gone = place.with_name(f"{place.name}{_GONE}")
                for other in list_deleted(session):
                    if other.id != model_id and _stands_on(self._place(other), deleted.path):
                        raise Conflict(
                            f"model '{other.name}', which is in the trash, is an adapter of '{deleted.name}' and needs "
                            f"it: delete that one for good first (DELETE /api/trash/{other.id})"
                        )
                session.delete(deleted)
                session.flush()
                self._move(place, gone, undo)
            undo.pop_all()
        _delete(gone)
        return round(deleted.size_mb * 1e6)

    def reconcile(self) -> None:
        """Finish what an end at a bad moment has left half done."""
        with self._database.session() as session:
            for row in list_models(session, None, 0)[0]:
                _put_right(self._place(row), Path(row.path), row)
            for deleted in list_deleted(session):
                place = self._place(deleted)
                if place.with_name(f"{place.name}{_GONE}").exists():
                    session.delete(deleted)
                else:
                    _put_right(Path(deleted.path), place, deleted)
        for gone in self._settings.trash.glob(f"*{_GONE}"):
            shutil.rmtree(gone, ignore_errors=True)

    def expire(self) -> None:
        """Delete for good what has lain in the trash for its days."""
        with self._database.session() as session:
            # In their order: an adapter was deleted before what it stands on.
            expired = [row.id for row in list_deleted(session) if self._until(row.deleted_at) <= now()]
        for id in expired:
            try:
                self.remove(id)
            except ModelForgeError as error:  # in an hour it may go
                log.warning("model %d stays in the trash: %s", id, error.detail)

    async def sweep_for_ever(self) -> None:
        """Delete what has expired, now and every hour."""
        while True:
            await asyncio.to_thread(self.expire)
            await asyncio.sleep(SWEEP_SECONDS)

    def _shown(self, row: DeletedModelRow) -> DeletedModel:
        return DeletedModel(
            **summary_of(row).model_dump(), deleted_at=row.deleted_at, restorable_until=self._until(row.deleted_at)
        )

    def _until(self, deleted_at: datetime) -> datetime:
        return deleted_at + timedelta(days=self._settings.trash_days)

    def _place(self, row: ModelRow | DeletedModelRow) -> Path:
        # Not by the id alone: where the database was lost, another model has it.
        return self._settings.trash / f"{row.id}.{row.job_id}"

    def _move(self, start: Path, end: Path, undo: ExitStack) -> None:
        """Move a folder, if it is there; ``undo`` moves it back."""
        try:
            end.parent.mkdir(exist_ok=True, mode=0o700)
            start.replace(end)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Fault(
                f"the folder {start} cannot be moved to {end}: {error.strerror}. Nothing was changed; let the server's "
                "user write there, and try again"
            ) from error
        undo.callback(end.replace, start)

    def _check_unused(self, session: Session, row: ModelRow) -> None:
        for other in list_models(session, None, 0)[0]:
            if other.id != row.id and _stands_on(Path(other.path), row.path):
                raise Conflict(
                    f"model '{other.name}' is an adapter of '{row.name}' and needs it: delete that one first"
                )
        for job in active_jobs(session):
            if job.model_name.lower() == row.name.lower() or _reads(self._spec(job.id), Path(row.path)):
                raise Conflict(f"job {job.id} is training on from '{row.name}': wait for it, or stop it")

    def _check_base(self, session: Session, deleted: DeletedModelRow, place: Path) -> None:
        base = holder_of(session, Path(_base_of(place))) if (place / "adapter_config.json").is_file() else None
        if isinstance(base, DeletedModelRow) and base.id != deleted.id:
            raise Conflict(
                f"model '{deleted.name}' is an adapter of '{base.name}', which is in the trash, too: restore that one "
                f"first (POST /api/trash/{base.id}/restore)"
            )

    def _check_place(self, session: Session, row: ModelRow) -> None:
        """Raises Conflict where a model lies, or is to lie, in the folder that this one had: one of its name may have
        been made meanwhile, and renamed."""
        folder = Path(row.path)
        makers = [job.id for job in active_jobs(session) if self._spec(job.id).get("output_dir") == row.path]
        if folder.exists() or makers:
            whose = f"is to be the model of job {makers[0]}" if makers else "is another model's by now"
            raise Conflict(f"the folder {folder}, where '{row.name}' lay, {whose}: delete that one first")

    def _spec(self, job_id: str) -> dict[str, Any]:
        return _spec_in(self._settings.runs / job_id)


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Fault(
            f"the model is deleted, but its folder {folder} is not: {error.strerror}. Remove it by hand"
        ) from error


def _put_right(start: Path, end: Path, row: ModelRow | DeletedModelRow) -> None:
    """Move the model's folder to where it belongs, if it is not there: not one of another model, which may have the
    place now."""
    if not end.exists() and _spec_in(start).get("job_id") == row.job_id:
        log.warning("model '%s' is moved from %s to %s, where it belongs", row.name, start, end)
        start.replace(end)


def _reads(spec: dict[str, Any], folder: Path) -> bool:
    """Whether a run reads from the folder: its model, its adapter or its reward model."""
    models = [spec.get("model") or {}, spec.get("reward_model") or {}]
    paths = [path for model in models for path in (model.get("path"), model.get("adapter")) if path]
    return any(Path(path).resolve().is_relative_to(folder.resolve()) for path in paths)


def _stands_on(folder: Path, base: str) -> bool:
    """Whether the model in the folder is an adapter over the model in ``base``."""
    return (folder / "adapter_config.json").is_file() and _base_of(folder) == base


def _base_of(folder: Path) -> str:
    """Where the model lies, or its hub id, that the one in the folder was trained on; empty where that is not known."""
    return str((_spec_in(folder).get("model") or {}).get("path", ""))


def _spec_in(folder: Path) -> dict[str, Any]:
    spec = read_json_or_none(folder / "spec.json")
    return spec if isinstance(spec, dict) else {}
