"""Files that are never seen half written, and how much they take."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_text_or_none(path: Path) -> str | None:
    """The file's text, or None where there is no such file (or it went away while it was read)."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def read_json_or_none(path: Path) -> Any:
    """The file's JSON value, or None where the file is missing or not whole."""
    text = read_text_or_none(path)
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def write_atomic(path: Path, text: str) -> None:
    """Write beside the target, flush to the disk, rename: a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut, where the system knows how."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_folder(new: Path, target: Path) -> None:
    """Put the finished folder ``new`` in the place of ``target``, whatever stood there before."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    new.replace(target)
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def walk(folder: Path) -> Iterator[Path]:
    """Every regular file below the folder, in a stable order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def size_mb(path: Path) -> float:
    """What a file or a folder takes, in units of 1 000 000 bytes."""
    total = 0
    for file in [path] if path.is_file() else walk(path):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return round(total / 1e6, 6)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal, read in constant memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
