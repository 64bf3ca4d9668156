"""Checkpoints that can be trusted: sealed by a manifest of sizes and hashes that is written last."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none, sha256, walk, write_atomic

MANIFEST = "manifest.json"
SCHEMA = 1


class Known(BaseModel):
    """What a file was when the checkpoint was sealed."""

    model_config = ConfigDict(strict=True)

    size: int
    sha256: str


class Manifest(BaseModel):
    """What makes a checkpoint whole."""

    model_config = ConfigDict(strict=True)

    schema_version: int = Field(SCHEMA, ge=1)
    step: int = Field(ge=0, le=2**31 - 1)
    """Optimizer steps done, those of earlier stages included."""
    train_seconds: float = Field(ge=0, allow_inf_nan=False)
    files: dict[str, Known] = Field(min_length=1)
    """By their paths below the folder, with slashes."""


def seal(folder: Path, step: int, train_seconds: float) -> None:
    """Bring the folder's files to the disk and write its manifest; from then on the checkpoint counts."""
    files = {}
    for path in walk(folder):
        with path.open("rb+") as stream:  # Windows brings only what is open for writing to the disk
            os.fsync(stream.fileno())
        files[path.relative_to(folder).as_posix()] = Known(size=path.stat().st_size, sha256=sha256(path))
    manifest = Manifest(step=step, train_seconds=train_seconds, files=files)
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=1))


def fault_of(folder: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None for a whole one. Raises InvalidRequest for one of a newer version
    of ModelForge, which may be whole for all that this one knows."""
    read = read_json_or_none(folder / MANIFEST)
    if read is None:
        return "has no manifest: it was being written when the run ended"
    version = read.get("schema_version") if isinstance(read, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise InvalidRequest(f"{folder} was written by a newer version of ModelForge: resume the run with that one")
    manifest = _valid(read)
    if manifest is None:
        return "has a damaged manifest"
    changed = (name for name, known in manifest.files.items() if not _is(folder, name, known))
    first = next(changed, None)
    return None if first is None else f"is damaged: {first[:200]} is not what was written"


def _is(folder: Path, name: str, known: Known) -> bool:
    """Whether the file below the folder is what the manifest knows."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts:
        return False
    path = folder / place
    try:
        return path.is_file() and path.stat().st_size == known.size and sha256(path) == known.sha256
    except OSError:  # a name that no file can have, or a sector that cannot be read
        return False


def _valid(read: object) -> Manifest | None:
    try:
        return Manifest.model_validate(read)
    except ValidationError:
        return None


def latest_valid(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint below ``folder``, and what was said of newer ones, which are removed."""
    found = _numbered(folder)
    said: list[str] = []
    for path in sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        fault = fault_of(path)
        if fault is None:
            return path, said
        said.append(f"{path.name} {fault}; it is left out")
        shutil.rmtree(path)
    return None, said


def prune(folder: Path, keep: int, best: int | None = None) -> None:
    """Remove all checkpoints below ``folder`` that are older than the newest ``keep`` sealed ones, but for that of the
    ``best`` step."""
    found = {int(path.name.rpartition("-")[2]): path for path in _numbered(folder)}
    sealed = sorted(step for step, path in found.items() if (path / MANIFEST).exists())
    for step, path in found.items():
        if step < min(sealed[-keep:], default=0) and step != best:
            shutil.rmtree(path, ignore_errors=True)


def _numbered(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal() and path.is_dir()]


def sealed_steps(folder: Path) -> list[int]:
    """The steps of the checkpoints below ``folder``, of all stages, that have a manifest, rising; their files are not
    looked at."""
    return sorted(manifest.step for manifest in _manifests(folder))


def seconds_so_far(folder: Path) -> float:
    """The seconds of training, all stages together, up to the newest checkpoint below ``folder``."""
    return max((manifest.train_seconds for manifest in _manifests(folder)), default=0.0)


def _manifests(folder: Path) -> list[Manifest]:
    read = (_valid(read_json_or_none(path)) for path in folder.rglob(f"checkpoint-*/{MANIFEST}"))
    return [manifest for manifest in read if manifest is not None]


def remove_unsealed(folder: Path) -> None:
    """Make room: what a failed save left behind is of no use."""
    for path in folder.rglob("checkpoint-*"):
        if not (path / MANIFEST).exists():
            shutil.rmtree(path, ignore_errors=True)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a whole checkpoint."""
    manifest: dict[str, Any] = read_json_or_none(folder / MANIFEST)
    return manifest
