"""Rows that are the same, over all of a dataset, by what was noted of each."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelforge.datasets.notes import Notes, Numbers
from modelforge.datasets.tally import LISTED

AT_ONCE = 1 << 20
"""Rows that are sorted together: all of a partition of the numbers, which takes some 40 bytes a row."""


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
