"""A folder as one file, made while it is sent."""

from __future__ import annotations

from pathlib import Path

from zipstream import ZipStream

from modelforge.files import walk


def zipped(folder: Path, name: str) -> ZipStream:
    """A zip of the folder's files below ``name``, which are read a block at a time when it is iterated over; its
    ``len`` counts bytes. Not compressed: weights hardly get smaller, and how far a download is, its size tells."""
    archive = ZipStream(sized=True)
    for path in walk(folder):
        archive.add_path(path, f"{name}/{path.relative_to(folder).as_posix()}")
    return archive
