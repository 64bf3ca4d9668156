"""Rows that are the same, over all of a dataset: a first reading notes each row in 24 bytes on the disk."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelforge.datasets.fingerprints import digest, rank, said
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import usable_rows
from modelforge.datasets.parts import Part, blocks_of
from modelforge.datasets.rows import rows_of
from modelforge.datasets.sample import Drawn, Sample
from modelforge.datasets.stages import Tell
from modelforge.datasets.tally import LISTED

AT_ONCE = 1 << 20
"""Rows that are sorted together: all of a partition of the numbers, which takes some 40 bytes a row."""

Numbers = npt.NDArray[np.uint64]


class Noted(NamedTuple):
    """What a part of a file came to."""

    rows: int
    """Usable ones."""
    lines: int
    """Of all kinds."""
    drawn: list[Drawn]
    bound: int
    """Of the sample: ``Sample.bound``."""


class Notes:
    """Files beside each other, with a number for each usable row: its fingerprint, its prompt's, its line."""

    COLUMNS = ("rows", "prompts", "lines")

    def __init__(self, folder: Path, name: str) -> None:
        self._paths = {column: folder / f"{name}.{column}" for column in self.COLUMNS}

    def column(self, name: str) -> Numbers:
        """One of the columns, on the disk."""
        path = self._paths[name]
        if not path.stat().st_size:
            return np.zeros(0, dtype=np.uint64)
        return np.memmap(path, dtype=np.uint64, mode="r")

    def write(self, columns: dict[str, list[int]]) -> None:
        for name, path in self._paths.items():
            with path.open("ab") as out:
                np.array(columns[name], dtype=np.uint64).tofile(out)

    def take(self, later: Notes, lines: int) -> None:
        """Append those of a later part, which has so many lines before it, and remove them there."""
        for name, path in self._paths.items():
            with path.open("ab") as out:
                numbers = later.column(name)
                for at in range(0, len(numbers), AT_ONCE):
                    (numbers[at : at + AT_ONCE] + np.uint64(lines if name == "lines" else 0)).tofile(out)
            later._paths[name].unlink()


def note(path: Path, part: Part, shape: str, folder: Path, seed: int, most: int, tell: Tell | None = None) -> Noted:
    """Read a part, write the notes on its rows into ``folder``, and draw the sample."""
    notes, sample = Notes(folder, str(part.start)), Sample(most)
    notes.write({name: [] for name in Notes.COLUMNS})
    rows = lines = read = 0
    for number, block in blocks_of(path, part):
        lines = number
        if block is None:
            continue
        lines += block.count(b"\n")
        read += len(block)
        columns: dict[str, list[int]] = {name: [] for name in Notes.COLUMNS}
        wanted: list[tuple[int, int, int]] = []
        for line, row in usable_rows(rows_of(number, block), SHAPES.get(shape)):
            prompt, answer = said(row)
            fingerprint = digest(prompt, answer)
            columns["rows"].append(fingerprint)
            columns["prompts"].append(digest(prompt) if prompt else fingerprint)
            columns["lines"].append(line)
            place = rank(fingerprint, seed)
            if place < sample.bound:
                wanted.append((place, fingerprint, line))
        if wanted:
            texts = block.split(b"\n")
            for place, fingerprint, line in wanted:
                sample.add(Drawn(place, fingerprint, line, texts[line - number]))
        notes.write(columns)
        rows += len(columns["rows"])
        if tell is not None and part.start == 0:
            tell(read)
    return Noted(rows, lines, sample.rows(), sample.bound)


class Repeated(NamedTuple):
    """Rows that something is to be said of."""

    rows: int
    lines: list[int]
    """The first of them."""
    earlier: int | None
    """For the first of them the line of the row that it repeats."""


def repeated(notes: Notes, firsts: npt.NDArray[np.bool_] | None = None) -> Repeated:
    """Rows that are the same as an earlier one. ``firsts`` is set to whether a row is none of those."""
    rows = notes.column("rows")
    if firsts is not None:
        firsts[:] = True
    found = _Found(notes)
    for chosen in _partitions(rows):
        numbers = rows[chosen]
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        same = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        if not len(same):
            continue
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        owners = starts[np.searchsorted(starts, same, side="right") - 1]
        later = chosen[order[same]]
        found.add(later, chosen[order[owners]])
        if firsts is not None:
            firsts[later] = False
    return found.told()


def conflicting(notes: Notes) -> Repeated:
    """Rows with the prompt of an earlier one and another answer; of rows that are the same, the first."""
    rows, prompts = notes.column("rows"), notes.column("prompts")
    found = _Found(notes)
    for chosen in _partitions(prompts):
        asked, whole = prompts[chosen], rows[chosen]
        if not len(chosen):
            continue
        order = np.lexsort((chosen, whole, asked))
        asked, whole, places = asked[order], whole[order], chosen[order]
        another = np.concatenate(([True], (asked[1:] != asked[:-1]) | (whole[1:] != whole[:-1])))
        asked, places = asked[another], places[another]
        starts = np.flatnonzero(np.concatenate(([True], asked[1:] != asked[:-1])))
        first = np.repeat(np.minimum.reduceat(places, starts), np.diff([*starts, len(places)]))
        late = places != first
        found.add(places[late], first[late])
    return found.told()


class _Found:
    """How many places were found, and the first lines of them."""

    def __init__(self, notes: Notes) -> None:
        self._lines = notes.column("lines")
        self._count = 0
        self._first: list[tuple[int, int]] = []

    def add(self, places: npt.NDArray[np.int64], owners: npt.NDArray[np.int64]) -> None:
        self._count += len(places)
        near = np.argsort(places, kind="stable")[:LISTED]
        pairs = [(int(places[at]), int(owners[at])) for at in near]
        self._first = heapq.nsmallest(LISTED, self._first + pairs)

    def told(self) -> Repeated:
        lines = [int(self._lines[place]) for place, _ in self._first]
        return Repeated(self._count, lines, int(self._lines[self._first[0][1]]) if lines else None)


def _partitions(numbers: Numbers) -> Iterator[npt.NDArray[np.int64]]:
    """The places of numbers, in order, such that equal numbers are in the same of the groups that come."""
    bits = max(0, (len(numbers) - 1) // AT_ONCE).bit_length()
    if not bits:
        yield np.arange(len(numbers))
        return
    shift = np.uint64(64 - bits)
    for part in range(1 << bits):
        chosen = [
            at + np.flatnonzero((numbers[at : at + AT_ONCE] >> shift) == part) for at in range(0, len(numbers), AT_ONCE)
        ]
        yield np.concatenate(chosen)
