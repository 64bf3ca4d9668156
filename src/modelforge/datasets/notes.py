"""What is noted of every row in one reading of a file: 88 bytes each on the disk, so that memory hardly grows with it.

Loads numpy: only child processes may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from modelforge.datasets.fingerprints import digest, rank, said
from modelforge.datasets.formats import SHAPES, usable_rows
from modelforge.datasets.parts import Part, blocks_of, divided, in_parts
from modelforge.datasets.rows import rows_of
from modelforge.datasets.sample import Drawn, Sample
from modelforge.datasets.similarity import BANDS, Keys, keys_of, whole
from modelforge.datasets.stages import Tell
from modelforge.worker.encoding import share

AT_ONCE = 1 << 20
"""Numbers that are copied together."""

Number = TypeVar("Number", np.uint32, np.uint64)
Numbers = npt.NDArray[np.uint64]


class Asked(NamedTuple):
    """What is wanted of a reading. Nothing of it but fingerprints where all is left out."""

    seed: int = 0
    sample: int = 1
    """Rows that are drawn, at most."""
    keys: bool = False
    """Whether rows are to be compared with each other: their keys are noted, which takes as long as all else."""
    eval_split: float = 0.0
    """The share that is held out, where held-out rows are to be counted."""


class Notes:
    """Files beside each other with numbers for each usable row: its fingerprint, its prompt's, its line, its keys."""

    COLUMNS = ("rows", "prompts", "lines")

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = {column: folder / f"{name}.{column}" for column in (*self.COLUMNS, "keys")}
        for path in self._paths.values():
            path.touch()

    def column(self, name: str) -> Numbers:
        """One of the columns, on the disk."""
        return _mapped(self._paths[name], np.uint64)

    @property
    def keys(self) -> Keys:
        """For each row a key for each band, on the disk."""
        return _mapped(self._paths["keys"], np.uint32).reshape(-1, BANDS)

    def write(self, columns: dict[str, list[int]], keys: Keys | None) -> None:
        for name, numbers in columns.items():
            _append(self._paths[name], np.array(numbers, dtype=np.uint64))
        if keys is not None:
            _append(self._paths["keys"], keys)

    def clear(self) -> None:
        for path in self._paths.values():
            path.write_bytes(b"")

    def take(self, later: Notes, lines: int) -> None:
        """Append those of a later part, which has so many lines before it, and remove them there."""
        for name in self.COLUMNS:
            numbers, more = later.column(name), np.uint64(lines if name == "lines" else 0)
            for at in range(0, len(numbers), AT_ONCE):
                _append(self._paths[name], numbers[at : at + AT_ONCE] + more)
        for at in range(0, len(later.keys), AT_ONCE):
            _append(self._paths["keys"], later.keys[at : at + AT_ONCE])
        for path in later._paths.values():
            path.unlink()


def _mapped(path: Path, kind: type[Number]) -> npt.NDArray[Number]:
    if not path.stat().st_size:
        return np.zeros(0, dtype=kind)
    return np.memmap(path, dtype=kind, mode="r")


def _append(path: Path, numbers: npt.NDArray[Number]) -> None:
    with path.open("ab") as out:
        numbers.tofile(out)


class Noted(NamedTuple):
    """What a part of a file came to."""

    rows: int
    """Usable ones."""
    lines: int
    """Of all kinds."""
    held_out: int
    drawn: list[Drawn]
    bound: int
    """Of the sample: ``Sample.bound``."""


class Reading(NamedTuple):
    """What a file came to."""

    rows: int
    """Usable ones."""
    held_out: int
    """0 where they were not to be counted."""
    sample: Sequence[Drawn]
    notes: Notes


def read(path: Path, shape: str, folder: Path, asked: Asked, begin: Callable[[float], Tell]) -> Reading:
    """Read a file once, a large one by several processes. ``begin`` is told how many bytes this process reads, and
    gives what is told how far it is. Raises what ``open_regular`` raises."""
    parts = divided(path)
    work = partial(note, shape=shape, folder=folder, asked=asked, tell=begin(path.stat().st_size / len(parts)))
    sample, rows, held_out, lines = Sample(asked.sample), 0, 0, 0
    notes = Notes(folder, str(parts[0].start))
    found: Noted
    for part, found in zip(parts, in_parts(work, path, parts), strict=True):
        sample.merge(found.drawn, lines, found.bound)
        if part.start:
            notes.take(Notes(folder, str(part.start)), lines)
        rows += found.rows
        held_out += found.held_out
        lines += found.lines
    return Reading(rows, held_out, sample.rows(), notes)


def note(path: Path, part: Part, shape: str, folder: Path, asked: Asked, tell: Tell) -> Noted:
    """Read a part, write the notes on its rows into ``folder``, and draw the sample."""
    notes, sample = Notes(folder, str(part.start)), Sample(asked.sample)
    notes.clear()  # of what another process had written of this part when it broke
    rows = lines = held_out = read = 0
    for number, block in blocks_of(path, part):
        lines = number
        if block is None:
            continue
        lines += block.count(b"\n")
        read += len(block)
        columns: dict[str, list[int]] = {name: [] for name in Notes.COLUMNS}
        wanted: list[tuple[int, int, int]] = []
        texts: list[str] = []
        for line, row in usable_rows(rows_of(number, block), SHAPES.get(shape)):
            text = said(row)
            fingerprint = digest(*text)
            columns["rows"].append(fingerprint)
            columns["prompts"].append(digest(text.prompt) if text.prompt else fingerprint)
            columns["lines"].append(line)
            place = rank(fingerprint, asked.seed)
            if place < sample.bound:
                wanted.append((place, fingerprint, line))
            if asked.keys:
                texts.append(whole(text))
            if asked.eval_split:
                held_out += share(row, asked.seed) < asked.eval_split
        if wanted:
            found = block.split(b"\n")
            for place, fingerprint, line in wanted:
                sample.add(Drawn(place, fingerprint, line, found[line - number]))
        notes.write(columns, keys_of(texts) if asked.keys else None)
        rows += len(columns["rows"])
        if part.start == 0:
            tell(read)
    return Noted(rows, lines, held_out, sample.rows(), sample.bound)
