"""Rows to remove because an earlier one says the same, or nearly the same. Loads numpy: only child processes may import
it."""

from __future__ import annotations

import tempfile
from array import array
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelforge.datasets.duplicates import Notes, note, repeated
from modelforge.datasets.groups import Groups, line_starts, write_keys
from modelforge.datasets.parts import divided, in_parts
from modelforge.datasets.similarity import BANDS
from modelforge.datasets.stages import Stages

Lines = npt.NDArray[np.uint64]

_READING, _NOTING, _COMPARING = "reading all rows", "noting what rows are like", "comparing rows"
_UNSPLIT = (0, 0.0)
"""No row is held out here."""


def exact(path: Path, shape: str, folder: Path) -> Lines:
    """The lines, rising, of rows that are the same as an earlier one."""
    with tempfile.TemporaryDirectory(prefix="doubles-", dir=folder) as scratch:
        notes = _noted(path, shape, Path(scratch), Stages({_READING: 1.0}))
        firsts = np.zeros(len(notes.column("lines")), dtype=bool)
        repeated(notes, firsts)
        return np.sort(notes.column("lines")[~firsts])


def near(path: Path, shape: str, folder: Path) -> Lines:
    """The lines, rising, of rows that belong to a group with an earlier row: each is nearly the same as one of the
    others, or the same."""
    with tempfile.TemporaryDirectory(prefix="doubles-", dir=folder) as name:
        scratch, stages = Path(name), Stages({_READING: 3.0, _NOTING: 6.0, _COMPARING: 6.0})
        notes, parts = _noted(path, shape, scratch, stages), divided(path)
        firsts = np.zeros(len(notes.column("lines")), dtype=bool)
        repeated(notes, firsts)
        tell = stages.begin(_NOTING, path.stat().st_size / len(parts))
        list(in_parts(partial(write_keys, shape=shape, folder=scratch, split=_UNSPLIT, tell=tell), path, parts))
        groups = Groups(path, shape, notes, line_starts(path, scratch), *_UNSPLIT)
        try:
            tell = stages.begin(_COMPARING, BANDS)
            for band in range(BANDS):
                tell(band)
                files = [scratch / f"{part.start}.band{band}" for part in parts]
                groups.join(np.concatenate([np.fromfile(file, dtype=np.uint32) for file in files]), firsts)
                for file in files:
                    file.unlink()
            return np.sort(notes.column("lines")[~(firsts & groups.heads())])
        finally:
            groups.close()


def shared(lines: Lines, numbers: array[int]) -> array[int]:
    """Those of the lines that are among these numbers, which rise, too."""
    return array("q", np.intersect1d(lines.astype(np.int64), np.asarray(numbers), assume_unique=True).tobytes())


def _noted(path: Path, shape: str, folder: Path, stages: Stages) -> Notes:
    parts, lines = divided(path), 0
    tell = stages.begin(_READING, path.stat().st_size / len(parts))
    notes = Notes(folder, str(parts[0].start))
    work = partial(note, shape=shape, folder=folder, seed=0, most=1, tell=tell)
    for part, found in zip(parts, in_parts(work, path, parts), strict=True):
        if part.start:
            notes.take(Notes(folder, str(part.start)), lines)
        lines += found.lines
    return notes
