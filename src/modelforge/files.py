"""Files that are never seen half written, how much they take, and paths that somebody names."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelforge.errors import InvalidRequest, NotFound

_NO_ROOM = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_BLOCK = 1 << 20
"""Bytes that are read at once."""


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
    except (ValueError, RecursionError):  # the second for a page of opening brackets
        return None


def local_path(text: str, field: str) -> Path:
    """The path that the request's ``field`` names, with ``~`` spelt out; there may be nothing at it.

    Raises InvalidRequest for one that no file can have or that may not be looked at, NotFound for the home of nobody.
    """
    shown = text if len(text) <= 100 else f"{text[:99]}…"
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise NotFound(f"{field}: there is no {shown!r} on this machine: {error}") from error
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InvalidRequest(f"{field}: {shown!r} cannot be looked at: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequest(f"{field}: {shown!r} is no path: {error}") from error
    return path


def read_lines(path: Path, start: int, end: int | None) -> tuple[list[str], int]:
    """The lines from number ``start``, counted from 0, up to ``end`` without it (None: the last), and how many there
    are in all. Takes the memory of those lines, however long the file is; no file has no lines."""
    lines: list[str] = []
    number, line, open_end = 0, bytearray(), False
    with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            open_end = not block.endswith(b"\n")
            breaks = block.count(b"\n")
            if number + breaks < start or (end is not None and number >= end):
                number += breaks
                continue
            for index, piece in enumerate(block.split(b"\n")):
                if index:
                    if _within(number, start, end):
                        lines.append(line.decode(errors="replace"))
                        line.clear()
                    number += 1
                if _within(number, start, end):
                    line += piece
    if open_end:
        if _within(number, start, end):
            lines.append(line.decode(errors="replace"))
        number += 1
    return lines, number


def last_lines(path: Path, count: int) -> tuple[list[str], int]:
    """The last ``count`` lines, and how many there are in all."""
    total = read_lines(path, 0, 0)[1]
    lines, total = read_lines(path, max(0, total - count), None)
    return lines[-count:], total  # more of them where some were written in between


def _within(number: int, start: int, end: int | None) -> bool:
    return number >= start and (end is None or number < end)


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


def is_disk_full(error: BaseException) -> bool:
    """Whether the system refused to write for want of room, on the disk or within a quota."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


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
