"""A run's spec on the disk, kept twice: what a broken disk or a careless hand does to one of them loses no run."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from modelforge.contracts.job import RunSpec
from modelforge.files import read_text_or_none, write_atomic

SPEC = "spec.json"
COPY = "spec.copy.json"


def write_spec(run_dir: Path, spec: RunSpec) -> None:
    """Put the spec into the run's folder, in the place of the one that was there."""
    text = spec.model_dump_json(indent=2)
    # The copy first: whenever this is cut short, one of the two is whole, and nothing was done by the newer one yet.
    write_atomic(run_dir / COPY, text)
    write_atomic(run_dir / SPEC, text)


def mend_spec(run_dir: Path) -> bool:
    """Where the spec is missing or not whole and its copy is, put that in its place; whether that was so."""
    text = read_text_or_none(run_dir / COPY)
    if text is None or not _is_whole(text) or _is_whole(read_text_or_none(run_dir / SPEC)):
        return False
    write_atomic(run_dir / SPEC, text)
    return True


def _is_whole(text: str | None) -> bool:
    try:
        return text is not None and RunSpec.model_validate_json(text) is not None
    except ValidationError:
        return False
