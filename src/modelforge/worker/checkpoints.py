"""Checkpoints that can be trusted: sealed by a manifest of sizes and hashes that is written last."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none, sha256, walk, write_atomic

if TYPE_CHECKING:
    import torch

MANIFEST = "manifest.json"
SCHEMA = 1
TRAINED = "trained.safetensors"
"""In a checkpoint: every tensor that is trained, by its name in the model."""


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


def fault_of(folder: Path, *, hashes: bool = True) -> str | None:
    """What is wrong with a checkpoint, in words; None for a whole one. Without ``hashes``, which take a second for some
    hundred megabytes, by the sizes of its files alone. Raises InvalidRequest for one of a newer version of ModelForge,
    which may be whole for all that this one knows."""
    read = read_json_or_none(folder / MANIFEST)
    if read is None:
        return "has no manifest: it was being written when the run ended"
    version = read.get("schema_version") if isinstance(read, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise InvalidRequest(f"{folder} was written by a newer version of ModelForge: resume the run with that one")
    manifest = _valid(read)
    if manifest is None:
        return "has a damaged manifest"
    changed = (name for name, known in manifest.files.items() if not _is(folder, name, known, hashes))
    first = next(changed, None)
    return None if first is None else f"is damaged: {first[:200]} is not what was written"


def _is(folder: Path, name: str, known: Known, hashes: bool) -> bool:
    """Whether the file below the folder is what the manifest knows."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts:
        return False
    path = folder / place
    try:
        same = path.is_file() and path.stat().st_size == known.size
        return same and (not hashes or sha256(path) == known.sha256)
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
    for path in sorted(found, key=_number, reverse=True):
        fault = fault_of(path)
        if fault is None:
            return path, said
        said.append(f"{path.name} {fault}; it is left out")
        shutil.rmtree(path)
    return None, said


def prune(folder: Path, keep: int, best: int | None = None) -> None:
    """Remove all checkpoints below ``folder`` that are older than the newest ``keep`` sealed ones, but for that of the
    ``best`` step."""
    found = {_number(path): path for path in _numbered(folder)}
    sealed = sorted(step for step, path in found.items() if (path / MANIFEST).exists())
    for step, path in found.items():
        if step < min(sealed[-keep:], default=0) and step != best:
            shutil.rmtree(path, ignore_errors=True)


def _numbered(folder: Path, *, everywhere: bool = False) -> list[Path]:
    found = folder.rglob("checkpoint-*") if everywhere else folder.glob("checkpoint-*")
    return [path for path in found if path.name.rpartition("-")[2].isdecimal() and path.is_dir()]


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def kept(folder: Path) -> list[tuple[int, str, Path]]:
    """The checkpoints below ``folder``, of all stages, by their steps: steps done, by the manifest where there is one
    and else by the name; the stage, empty where a run has one; and where they lie."""
    found = []
    for path in _numbered(folder, everywhere=True):
        manifest = _valid(read_json_or_none(path / MANIFEST))
        stage = path.parent.name if path.parent != folder else ""
        found.append((manifest.step if manifest is not None else _number(path), stage, path))
    return sorted(found)


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


def load_trained(model: torch.nn.Module, folder: Path) -> None:
    """Put a checkpoint's tensors into the model. Raises KeyError where the two do not belong together."""
    import torch  # noqa: PLC0415 - the server, which lists checkpoints, has none
    from safetensors.torch import load_file  # noqa: PLC0415

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(folder / TRAINED).items():
            parameters[name].copy_(tensor)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a whole checkpoint."""
    manifest: dict[str, Any] = read_json_or_none(folder / MANIFEST)
    return manifest
