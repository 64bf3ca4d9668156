"""Whether what a run writes has room on the disks that it writes to."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelforge.contracts.job import DatasetRef
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.files import size_mb
from modelforge.memory import MB, storage
from modelforge.settings import Settings


def check_room(
    config: TrainingConfig, described: Mapping[str, Any], files: Sequence[DatasetRef], settings: Settings
) -> None:
    """Raises InvalidRequest, with the figures, for a run whose checkpoints and model cannot fit; ``described`` is the
    base model's ``config.json``."""
    needs = storage(described, config)
    if needs is None:
        return
    checkpoints = f"{needs.checkpoints} checkpoints of {_told(needs.checkpoint)}, one of them being written"
    paths = [Path(file.path) for file in files]
    copied = sum(size_mb(path) for path in paths if not path.is_relative_to(settings.datasets))  # an upload is linked
    if copied:
        checkpoints += f", {_told(copied)} for a copy of the data"
    run = (settings.runs, needs.run + copied, checkpoints)
    model = (settings.models, needs.model, f"{_told(needs.model)} for the model")
    if settings.runs.stat().st_dev == settings.models.stat().st_dev:
        _check(settings.home, run[1] + model[1], f"{run[2]}, and {model[2]}")
    else:
        _check(*run)
        _check(*model)


def _check(folder: Path, needed: float, why: str) -> None:
    free = shutil.disk_usage(folder).free / MB
    if needed > free:
        raise InvalidRequest(
            f"this run writes up to {_told(needed)} below {folder} ({why}), where {_told(free)} are free. Make room, "
            "lower save_total_limit, train fewer weights (use_lora, lora_r), or set MODELFORGE_HOME to a folder on "
            "a larger disk"
        )


def _told(mb: float) -> str:
    return f"{mb / 1e3:.1f} GB" if mb >= 1e3 else f"{mb:.1f} MB"
