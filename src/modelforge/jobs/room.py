"""Whether what a run writes has room on the disks that it writes to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelforge.contracts.job import DatasetRef
from modelforge.contracts.preflight import DiskFit, DiskPlace
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.files import size_mb
from modelforge.memory import MB, storage
from modelforge.settings import Settings


def measure_room(
    config: TrainingConfig, described: Mapping[str, Any], files: Sequence[DatasetRef], settings: Settings
) -> DiskFit | None:
    """What the run's checkpoints and model take, beside the room for them; ``described`` is the base model's
    ``config.json``. None where that does not tell its size."""
    needs = storage(described, config)
    if needs is None:
        return None
    checkpoints = f"{needs.checkpoints} checkpoints of {_told(needs.checkpoint)}, one of them being written"
    paths = [Path(file.path) for file in files]
    copied = sum(size_mb(path) for path in paths if not path.is_relative_to(settings.datasets))  # an upload is linked
    if copied:
        checkpoints += f", {_told(copied)} for a copy of the data"
    run = (settings.runs, needs.run + copied, checkpoints)
    model = (settings.models, needs.model, f"{_told(needs.model)} for the model")
    if settings.runs.stat().st_dev == settings.models.stat().st_dev:
        places = [_place(settings.home, run[1] + model[1], f"{run[2]}, and {model[2]}")]
    else:
        places = [_place(*run), _place(*model)]
    return DiskFit(
        fits=all(place.needs_mb <= place.free_mb for place in places),
        checkpoint_mb=needs.checkpoint,
        checkpoints=needs.checkpoints,
        model_mb=needs.model,
        dataset_mb=copied,
        places=places,
    )


def check_room(found: DiskFit) -> None:
    """Raises InvalidRequest, with the figures, for a run whose checkpoints and model cannot fit."""
    for place in found.places:
        if place.needs_mb > place.free_mb:
            raise InvalidRequest(
                f"this run writes up to {_told(place.needs_mb)} below {place.folder} ({place.what}), where "
                f"{_told(place.free_mb)} are free. Make room, lower save_total_limit, train fewer weights (use_lora, "
                "lora_r), or set MODELFORGE_HOME to a folder on a larger disk"
            )


def _place(folder: Path, needs: float, what: str) -> DiskPlace:
    free = shutil.disk_usage(folder).free / MB
    return DiskPlace(folder=str(folder), needs_mb=needs, free_mb=free, what=what)


def _told(mb: float) -> str:
    return f"{mb / 1e3:.1f} GB" if mb >= 1e3 else f"{mb:.1f} MB"
