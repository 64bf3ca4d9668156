"""Rows to remove because an earlier one says the same, or nearly the same. Loads numpy: only child processes may import
it."""

from __future__ import annotations

import tempfile
from array import array
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from modelforge.datasets.duplicates import repeated
from modelforge.datasets.groups import Groups
from modelforge.datasets.lookup import Lookup
from modelforge.datasets.notes import Asked, Notes, read
from modelforge.datasets.similarity import BANDS
from modelforge.datasets.stages import Stages

Lines = npt.NDArray[np.uint64]

_READING, _COMPARING = "reading all rows", "comparing rows"


def exact(path: Path, shape: str, folder: Path) -> Lines:
    """The lines, rising, of rows that are the same as an earlier one."""
    with tempfile.TemporaryDirectory(prefix="doubles-", dir=folder) as scratch:
        begin = partial(Stages({_READING: 1.0}).begin, _READING)
        notes = read(path, shape, Path(scratch), Asked(), begin).notes
        return np.sort(notes.column("lines")[~_firsts(notes)])


def near(path: Path, shape: str, folder: Path) -> Lines:
    """The lines, rising, of rows that belong to a group with an earlier row: each is nearly the same as one of the
    others, or the same."""
    with tempfile.TemporaryDirectory(prefix="doubles-", dir=folder) as name:
        scratch, stages = Path(name), Stages({_READING: 3.0, _COMPARING: 1.0})
        notes = read(path, shape, scratch, Asked(keys=True), partial(stages.begin, _READING)).notes
        firsts = _firsts(notes)
        tell = stages.begin(_COMPARING, BANDS)
        with closing(Lookup(path, shape, notes, scratch)) as lookup:
            groups = Groups(lookup, notes, 0, 0.0)  # no row is held out here
            for band in range(BANDS):
                tell(band)
                groups.join(notes.keys[:, band], firsts)
            return np.sort(notes.column("lines")[~(firsts & groups.heads())])


def shared(lines: Lines, numbers: array[int]) -> array[int]:
    """Those of the lines that are among these numbers, which rise, too."""
    return array("q", np.intersect1d(lines.astype(np.int64), np.asarray(numbers), assume_unique=True).tobytes())


def _firsts(notes: Notes) -> npt.NDArray[np.bool_]:
    firsts = np.zeros(len(notes.column("lines")), dtype=bool)
    repeated(notes, firsts)
    return firsts
