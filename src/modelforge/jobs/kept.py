"""A run's checkpoints as the server sees them: what lies there, and which can be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from modelforge.contracts.job import Checkpoint
from modelforge.errors import InvalidRequest, NotFound
from modelforge.files import size_mb
from modelforge.worker import checkpoints
from modelforge.worker.checkpoints import MANIFEST

FOLDER = "checkpoints"
REWARD = "reward"
"""The stage whose model scores answers and gives none."""


def checkpoints_of(run_dir: Path) -> list[Checkpoint]:
    """All of them, by step."""
    found = []
    for step, stage, path in checkpoints.kept(run_dir / FOLDER):
        fault = _fault(path)
        sealed = path / MANIFEST
        try:
            made = (sealed if sealed.exists() else path).stat().st_mtime
            size = size_mb(path)
        except FileNotFoundError:  # it has just made way for a newer one
            continue
        found.append(
            Checkpoint(
                step=step,
                stage=stage or None,
                created_at=datetime.fromtimestamp(made, UTC),
                size_mb=size,
                valid=fault is None,
                fault=fault,
                path=str(path),
            )
        )
    return found


def find_checkpoint(run_dir: Path, step: int | None) -> Checkpoint:
    """The one at the step, or the newest valid one. Raises NotFound where there is none, InvalidRequest for one that
    cannot be asked."""
    job_id = run_dir.name
    found = checkpoints_of(run_dir)
    speaking = [each for each in found if each.valid and each.stage != REWARD]
    if step is None:
        if not speaking:
            raise NotFound(
                f"job {job_id} has no checkpoint that can be asked yet: the first is written a minute after the first "
                "step at the latest, or when the job is stopped"
            )
        return speaking[-1]
    named = next((each for each in found if each.step == step), None)
    if named is None:
        there = ", ".join(str(each.step) for each in speaking) or "none"
        raise NotFound(f"job {job_id} has no checkpoint at step {step}; there are: {there}")
    if named.stage == REWARD:
        raise InvalidRequest(
            f"checkpoint: that at step {step} is of the reward model, which scores answers, gives none"
        )
    if not named.valid:
        raise InvalidRequest(f"checkpoint: that at step {step} {named.fault}; ask another one")
    return named


def _fault(path: Path) -> str | None:
    try:
        return checkpoints.fault_of(path, hashes=False)
    except InvalidRequest as error:
        return error.detail
