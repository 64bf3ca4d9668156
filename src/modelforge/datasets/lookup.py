"""Single rows of a file, wherever they stand in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from modelforge.datasets.formats import SHAPES, usable_rows
from modelforge.datasets.notes import Notes
from modelforge.datasets.rows import open_regular, rows_of

_CHUNK = 1 << 22


class Lookup:
    """Rows by their place among the usable ones. Where the file's lines begin lies in ``folder``."""

    def __init__(self, path: Path, shape: str, notes: Notes, folder: Path) -> None:
        self._shape = SHAPES.get(shape)
        self._lines = notes.column("lines")
        self._stream = open_regular(path)
        self._size = os.fstat(self._stream.fileno()).st_size
        starts = folder / "starts"
        with starts.open("wb") as out:
            np.zeros(1, dtype=np.uint64).tofile(out)
            at = 0
            while chunk := self._stream.read(_CHUNK):
                (np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == 10) + (at + 1)).astype(np.uint64).tofile(out)
                at += len(chunk)
        self._starts = np.memmap(starts, dtype=np.uint64, mode="r")

    def close(self) -> None:
        self._stream.close()

    def row(self, place: int) -> dict[str, Any]:
        """As ``Shape.read`` gives it."""
        line = int(self._lines[place])
        start = int(self._starts[line - 1])
        end = int(self._starts[line]) if line < len(self._starts) else self._size
        self._stream.seek(start)
        text = self._stream.read(end - start).removeprefix(b"\xef\xbb\xbf" if line == 1 else b"").rstrip(b"\r\n")
        ((_, row),) = usable_rows(rows_of(1, text), self._shape)
        return row
