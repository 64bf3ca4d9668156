"""The spec of a run, as its folder and its finished model's hold it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from modelforge.contracts.job import SPEC_SCHEMA, RunSpec
from modelforge.errors import Conflict, NotFound
from modelforge.files import read_text_or_none

SPEC = "spec.json"


def spec_of(folder: Path) -> RunSpec | None:
    """The folder's spec; None where there is none, or none that can be read."""
    text = read_text_or_none(folder / SPEC)
    try:
        return RunSpec.model_validate_json(text) if text is not None else None
    except ValidationError:
        return None


def whole_spec(run_dir: Path) -> RunSpec:
    """The spec of a run that is to go on. Raises NotFound where the run's folder is gone, Conflict where the file is
    damaged or was written by a newer version."""
    path = run_dir / SPEC
    if not path.exists():
        raise NotFound(
            f"the run folder {run_dir} is gone, or its {SPEC}, so job {run_dir.name} cannot be resumed; start a new one"
        )
    spec = spec_of(run_dir)
    if spec is None:
        raise Conflict(
            f"{path} is damaged: it is no whole spec of a run. Job {run_dir.name} cannot be resumed; start a new one "
            "with the same options"
        )
    if spec.schema_version > SPEC_SCHEMA:
        raise Conflict(f"{path} was written by a newer version of ModelForge: resume job {run_dir.name} with that one")
    return spec
