"""A run's spec on the disk, kept twice: what a broken disk or a careless hand does to one of them loses no run. A
finished model's folder holds it once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from modelforge.contracts.job import SPEC_SCHEMA, RunSpec
from modelforge.errors import Conflict, NotFound
from modelforge.files import read_text_or_none, write_atomic

SPEC = "spec.json"
COPY = "spec.copy.json"


def write_spec(run_dir: Path, spec: RunSpec) -> None:
    """Put the spec into the run's folder, in the place of the one that was there."""
    text = spec.model_dump_json(indent=2)
    # The copy first: whenever this is cut short, one of the two is whole, and nothing was done by the newer one yet.
    write_atomic(run_dir / COPY, text)
    write_atomic(run_dir / SPEC, text)


def spec_of(folder: Path, name: str = SPEC) -> RunSpec | None:
    """The folder's spec; None where there is none, or none that can be read."""
    text = read_text_or_none(folder / name)
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


def mend_spec(run_dir: Path) -> bool:
    """Where the spec is missing or not whole and its copy is, put that in its place; whether that was so."""
    copy = spec_of(run_dir, COPY)
    if copy is None or spec_of(run_dir) is not None:
        return False
    write_spec(run_dir, copy)
    return True
