"""Checkpoints that can be trusted: sealed by a manifest of sizes and hashes that is written last."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none, sha256, walk, write_atomic

MANIFEST = "manifest.json"
SCHEMA = 1


def seal(folder: Path, step: int, train_seconds: float) -> None:
    """Bring the folder's files to the disk and write its manifest; from then on the checkpoint counts."""
    files = {}
    for path in walk(folder):
        with path.open("rb+") as stream:  # Windows brings only what is open for writing to the disk
            os.fsync(stream.fileno())
        files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": sha256(path)}
    manifest = {"schema_version": SCHEMA, "step": step, "train_seconds": train_seconds, "files": files}
    write_atomic(folder / MANIFEST, json.dumps(manifest, indent=1))


def fault_of(folder: Path) -> str | None:
    """What is wrong with a checkpoint, in words; None for a whole one."""
    manifest = read_json_or_none(folder / MANIFEST)
    if manifest is None:
        return "has no manifest: it was being written when the run ended"
    try:
        if manifest["schema_version"] > SCHEMA:
            raise InvalidRequest(f"{folder} was written by a newer version of ModelForge: resume the run with that one")
        for name, known in manifest["files"].items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != known["size"] or sha256(path) != known["sha256"]:
                return f"is damaged: {name} is not what was written"
    except (KeyError, TypeError, AttributeError):
        return "has a damaged manifest"
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
    return [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]


def sealed_steps(folder: Path) -> list[int]:
    """The steps of the checkpoints below ``folder``, of all stages, that have a manifest, rising; their files are not
    looked at."""
    return sorted(manifest["step"] for manifest in _manifests(folder))


def seconds_so_far(folder: Path) -> float:
    """The seconds of training, all stages together, up to the newest checkpoint below ``folder``."""
    return max((float(manifest["train_seconds"]) for manifest in _manifests(folder)), default=0.0)


def _manifests(folder: Path) -> list[dict[str, Any]]:
    read = (read_json_or_none(path) for path in folder.rglob(f"checkpoint-*/{MANIFEST}"))
    return [manifest for manifest in read if isinstance(manifest, dict) and {"step", "train_seconds"} <= set(manifest)]


def remove_unsealed(folder: Path) -> None:
    """Make room: what a failed save left behind is of no use."""
    for path in folder.rglob("checkpoint-*"):
        if not (path / MANIFEST).exists():
            shutil.rmtree(path, ignore_errors=True)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a whole checkpoint."""
    manifest: dict[str, Any] = read_json_or_none(folder / MANIFEST)
    return manifest
