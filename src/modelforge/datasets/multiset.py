"""Two files of rows as bags of rows: what one has more than the other, whatever the order.

Takes some 50 bytes of memory a row. Rows are told apart by 64 bits of a hash with a secret of the process: among ten
million rows, two different ones are taken for the same in one comparison of 400 000.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy
from numpy.typing import NDArray

from modelforge.datasets.rewrite import BLANK, canonical
from modelforge.datasets.rows import open_regular, read_blocks

Numbers = NDArray[numpy.int64]
Marks = NDArray[numpy.bool_]

_GAP = 1000
"""Rows that went and came together, at most, to count as changed."""


def differences(first: Path, second: Path) -> tuple[int, Iterator[tuple[int, int]]]:
    """How many rows are in both, and the others as pairs of their numbers, 0 for none, in the order of the rows."""
    one, other = _Bag(first), _Bag(second)
    matched, other_matched = _matched(one.hashes, other.hashes), _matched(other.hashes, one.hashes)
    if not matched.all() and not other_matched.all():
        # Line for line they differ; many a program writes fields in another order, or spaces between them.
        one.hash_contents(~matched)
        other.hash_contents(~other_matched)
        matched, other_matched = _matched(one.hashes, other.hashes), _matched(other.hashes, one.hashes)
    return int(matched.sum()), iter(_in_order(one, other, matched, other_matched))


class _Bag:
    """The rows of a file: their numbers, and a hash for each."""

    def __init__(self, path: Path) -> None:
        numbers, hashes = array("q"), array("q")
        for number, lines in _blocks(path):
            filled = [at for at, line in enumerate(lines) if line]
            numbers.extend(at + number for at in filled)
            hashes.extend(hash(lines[at]) for at in filled)
        self._path = path
        self.numbers = numpy.array(numbers, dtype=numpy.int64)
        self.hashes = numpy.array(hashes, dtype=numpy.int64)

    def hash_contents(self, wanted: Marks) -> None:
        """Hash these rows by what they say instead of by how they are written."""
        at = 0
        for _, lines in _blocks(self._path):
            for line in lines:
                if line:
                    if wanted[at]:
                        self.hashes[at] = hash(canonical(line))
                    at += 1


def _blocks(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    with open_regular(path) as stream:
        for number, block in read_blocks(stream):
            if block is not None:
                yield number, [line.strip(BLANK) for line in block.split(b"\n")]


def _matched(one: Numbers, other: Numbers) -> Marks:
    """Which of the rows find an equal one in the other bag, each of which serves once."""
    order = numpy.argsort(one, kind="stable")
    ordered, known = one[order], numpy.sort(other)
    nth = numpy.arange(len(ordered)) - numpy.searchsorted(ordered, ordered, side="left")
    there = numpy.searchsorted(known, ordered, side="right") - numpy.searchsorted(known, ordered, side="left")
    marks = numpy.zeros(len(one), dtype=bool)
    marks[order] = nth < there
    return marks


def _in_order(one: _Bag, other: _Bag, matched: Marks, other_matched: Marks) -> Iterator[tuple[int, int]]:
    gaps: dict[tuple[int, int], list[Numbers]] = {}
    if matched.any():
        for neighbour, rows in _gaps(one, matched):
            gaps.setdefault((neighbour, len(rows)), []).append(rows)
    changed_from, changed_to = array("q"), array("q")
    for neighbour, rows in _gaps(other, other_matched) if gaps else ():
        waiting = gaps.get((neighbour, len(rows)))
        if waiting:
            changed_from.extend(waiting.pop(0).tolist())
            changed_to.extend(rows.tolist())
    before, after = (numpy.array(each, dtype=numpy.int64) for each in (changed_from, changed_to))
    removed = numpy.setdiff1d(one.numbers[~matched], before, assume_unique=True)
    added = numpy.setdiff1d(other.numbers[~other_matched], after, assume_unique=True)
    nothing = numpy.zeros(max(len(removed), len(added)), dtype=numpy.int64)
    from_rows = numpy.concatenate((before, removed, nothing[: len(added)]))
    to_rows = numpy.concatenate((after, nothing[: len(removed)], added))
    order = numpy.argsort(numpy.where(from_rows > 0, from_rows, to_rows), kind="stable")
    for start in range(0, len(order), 100_000):
        chosen = order[start : start + 100_000]
        yield from zip(from_rows[chosen].tolist(), to_rows[chosen].tolist(), strict=True)


def _gaps(bag: _Bag, matched: Marks) -> Iterator[tuple[int, Numbers]]:
    """The rows without their like that follow each other, with the hash of the row before them."""
    edges = numpy.diff(numpy.concatenate(([True], matched, [True])).astype(numpy.int8))
    starts, ends = numpy.flatnonzero(edges == -1), numpy.flatnonzero(edges == 1)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start <= _GAP:
            yield int(bag.hashes[start - 1]) if start else 0, bag.numbers[start:end]
