"""What the home folder holds by kind, and how it is made smaller."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import get_args

from anyio import to_thread

from modelforge.api.resumable import Uploads
from modelforge.api.trash import Trash
from modelforge.contracts.job import JobState
from modelforge.contracts.system import CLEANABLE, CleanKind, StorageKind, Stored
from modelforge.files import walk
from modelforge.jobs.states import ENDED, RESUMABLE
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.jobs import get_job, list_jobs

ABOUT: dict[StorageKind, str] = {
    "models": "Trained models. Delete them one by one.",
    "trash": "Deleted models that can be restored, until their days are over.",
    "checkpoints": "Checkpoints of completed runs: their models are saved; what is lost is to try an earlier step.",
    "resumable_checkpoints": "Checkpoints of runs that failed, were stopped or interrupted: without them, a resume "
    "begins anew.",
    "runs": "What runs were told and said, their copies of the data, and all of those that wait or run.",
    "datasets": "Uploaded data, all versions. Delete datasets one by one.",
    "uploads": "Uploads that were not finished. Those that nothing came of for an hour can go.",
    "caches": "Rows in tokens and compiled code: made anew when they are needed. Kept while a job runs.",
    "logs": "What workers wrote of runs that have ended.",
    "environments": "Python environments of providers: modelforge providers remove.",
    "database": "The index of jobs, metrics, models and datasets, and copies from before its migrations.",
}
IDLE = timedelta(hours=1)
"""An upload that nothing came of for so long is nobody's any more."""
_GONE = ".checkpoints.gone"
_RUNNING = (JobState.STARTING, JobState.TRAINING, JobState.SAVING)


class Storage:
    """The files of a home folder."""

    def __init__(self, settings: Settings, database: Database, trash: Trash, uploads: Uploads) -> None:
        self._settings = settings
        self._database = database
        self._trash = trash
        self._uploads = uploads

    def look(self) -> list[Stored]:
        """Every kind, in the order of the contract. Blocks."""
        sizes = self._sizes()
        return [
            Stored(
                kind=kind,
                size_mb=sizes[kind],
                freeable_mb=_mb(self._freeable(kind)) if kind in CLEANABLE else 0.0,
                about=ABOUT[kind],
            )
            for kind in get_args(StorageKind)
        ]

    async def clean(self, kind: CleanKind) -> float:
        """Remove what can go of the kind; what came free, in units of 1 000 000 bytes."""
        paths, before = await to_thread.run_sync(self._weighed, kind)
        if kind == "uploads":
            await self._uploads.sweep(IDLE)
        else:
            await to_thread.run_sync(self._remove, kind, paths)
        return round(max(0.0, before - await to_thread.run_sync(_mb, paths)), 6)

    def _weighed(self, kind: CleanKind) -> tuple[list[Path], float]:
        paths = self._freeable(kind)
        return paths, _mb(paths)

    def _sizes(self) -> dict[StorageKind, float]:
        home, runs = self._settings.home, self._settings.runs
        states = self._states()
        checkpoints = {job_id: _mb(_saved(runs / job_id)) for job_id in states}
        logs = _mb([*runs.glob("*/worker.log"), *home.glob("*.log"), *home.glob("*.log.old")])
        trash, all_models, all_runs = (_mb([path]) for path in (self._settings.trash, self._settings.models, runs))
        complete = sum(size for job_id, size in checkpoints.items() if states[job_id] == JobState.COMPLETED)
        resumable = sum(size for job_id, size in checkpoints.items() if states[job_id] in RESUMABLE)
        sizes: dict[StorageKind, float] = {
            "models": all_models - trash,
            "trash": trash,
            "checkpoints": complete,
            "resumable_checkpoints": resumable,
            "runs": all_runs - complete - resumable - _mb(runs.glob("*/worker.log")),
            "datasets": _mb([self._settings.datasets]),
            "uploads": _mb([self._settings.uploads, self._settings.scratch]),
            "caches": _mb([home / "cache"]),
            "logs": logs,
            "environments": _mb([home / "environments"]),
            "database": _mb(home.glob("modelforge.db*")),
        }
        return {kind: round(size, 6) for kind, size in sizes.items()}

    def _freeable(self, kind: CleanKind) -> list[Path]:
        """Files and folders of the kind that nobody needs now."""
        home, runs, states = self._settings.home, self._settings.runs, self._states()
        match kind:
            case "trash":
                return [self._settings.trash]
            case "checkpoints":
                return [path for id, state in states.items() if state == "completed" for path in _saved(runs / id)]
            case "resumable_checkpoints":
                return [path for id, state in states.items() if state in RESUMABLE for path in _saved(runs / id)]
            case "logs":
                ended = [runs / job_id / "worker.log" for job_id, state in states.items() if state in ENDED]
                return [*ended, *home.glob("*.log.old")]
            case "caches":
                return [] if any(state in _RUNNING for state in states.values()) else [home / "cache"]
            case "uploads":
                return self._uploads.untouched(IDLE)

    def _remove(self, kind: CleanKind, paths: list[Path]) -> None:
        match kind:
            case "trash":
                for model in self._trash.all():
                    self._trash.remove(model.id)
            case "logs":
                for path in paths:
                    path.unlink(missing_ok=True)
            case "caches":
                for path in paths:
                    shutil.rmtree(path, ignore_errors=True)
            case "checkpoints" | "resumable_checkpoints":
                for path in paths:
                    self._remove_checkpoints(path)

    def _remove_checkpoints(self, folder: Path) -> None:
        hidden = folder.with_name(_GONE)
        if folder == hidden or not folder.exists():
            shutil.rmtree(hidden, ignore_errors=True)
            return
        # Out of sight first: a resume that came meanwhile gets them back whole, before its worker looks.
        folder.replace(hidden)
        if self._state(folder.parent.name) in ENDED:
            shutil.rmtree(hidden, ignore_errors=True)
        else:
            hidden.replace(folder)

    def _states(self) -> dict[str, JobState]:
        with self._database.session() as session:
            return {row.id: JobState(row.status) for row in list_jobs(session, None, 0)[0]}

    def _state(self, job_id: str) -> JobState:
        with self._database.session() as session:
            return JobState(get_job(session, job_id).status)


def _saved(run_dir: Path) -> list[Path]:
    """A run's checkpoints, and those that a server was removing when it was killed; these first."""
    return [run_dir / _GONE, run_dir / "checkpoints"]


def _mb(paths: Iterable[Path]) -> float:
    """What files and folders take, in units of 1 000 000 bytes, each file by its share where it has several names: a
    run has links of the rows that it reads, and its bytes go with the last of them."""
    total = 0.0
    for path in paths:
        for file in [path] if path.is_file() else walk(path):
            with suppress(OSError):
                status = file.stat()
                total += status.st_size / max(1, status.st_nlink)
    return total / 1e6
