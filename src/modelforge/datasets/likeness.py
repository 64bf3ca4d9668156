"""How many rows are nearly the same as others: within a dataset, across its split, and across two datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from modelforge.contracts.examination import Estimate, NearDuplicates
from modelforge.datasets import codes
from modelforge.datasets.codes import Code
from modelforge.datasets.estimates import estimate, told
from modelforge.datasets.groups import Groups
from modelforge.datasets.inquiry import Inquiry
from modelforge.datasets.lookup import Lookup
from modelforge.datasets.neighbours import Entry, Neighbour, entry_of, find
from modelforge.datasets.notes import Reading, Tell
from modelforge.datasets.rows import read_line
from modelforge.datasets.sample import Drawn
from modelforge.datasets.similarity import BANDS, NEAR

Likes = list[tuple[Drawn, int]]
"""Rows of a sample, each with the line of a row that it is like."""
_EXCERPT = 1000


@dataclass
class Other:
    """Another dataset, whose rows this one should not hold."""

    shape: str
    sample: Sequence[Drawn]
    distinct: int
    """Rows of it that differ."""


@dataclass
class Likeness:
    """What was found, and what is to be said of it."""

    inquiry: Inquiry
    reading: Reading
    lookup: Lookup
    distinct: int
    """Rows that differ."""
    other: Other | None
    findings: list[dict[str, Any]] = field(default_factory=list)

    def of_sample(self, tell: Tell) -> NearDuplicates:
        """What is like the rows of the sample, and like those of the other dataset's, among all rows."""
        own = [self._entry(row) for row in self.reading.sample]
        foreign = self._foreign()
        neighbours = self._find([*own, *foreign], tell)
        rows = list(zip(self.reading.sample, own, neighbours, strict=False))
        likes = [(row, each.line) for row, _, each in rows if each.line is not None]
        held_out = [(row, each) for row, entry, each in rows if entry.held_out]
        leaks = [(row, each.across) for row, each in held_out if each.across is not None]
        near, leaked = estimate(len(likes), len(rows), self.distinct), None
        self._tell(codes.NEAR_DUPLICATES, near, likes)
        if self.inquiry.eval_split:
            whole = len(rows) == self.distinct
            of = len(held_out) if whole else round(self.distinct * len(held_out) / len(rows))
            leaked = estimate(len(leaks), len(held_out), of)
            self._tell(codes.LEAKED_ROWS, leaked, leaks)
        return NearDuplicates(
            scope="sample",
            threshold=NEAR,
            near=near,
            leaked=leaked,
            shared=self._shared(neighbours[len(own) :]),
            unsure=sum(each.line is None and each.given_up for _, _, each in rows),
        )

    def of_all(self, firsts: npt.NDArray[np.bool_], tell: Tell) -> NearDuplicates:
        """Every row that is like another, and what is like the other dataset's sample. ``firsts`` are the rows that are
        the same as none before them."""
        shared = self._shared(self._find(self._foreign(), lambda _: None))
        groups = Groups(self.lookup, self.reading.notes, self.inquiry.seed, self.inquiry.eval_split)
        for band in range(BANDS):
            tell(band / BANDS * len(firsts))
            groups.join(np.ascontiguousarray(self.reading.notes.keys[:, band]), firsts)
        found = groups.told()
        near, leaked = estimate(found.rows, self.distinct, self.distinct), None
        self._tell_lines(codes.NEAR_DUPLICATES, near, found.lines)
        if self.inquiry.eval_split:
            leaked = estimate(found.leaked, self.reading.held_out, self.reading.held_out)
            self._tell_lines(codes.LEAKED_ROWS, leaked, found.leaked_lines)
        return NearDuplicates(
            scope="all", threshold=NEAR, near=near, leaked=leaked, shared=shared, unsure=groups.skipped
        )

    def _find(self, entries: Sequence[Entry], tell: Tell) -> list[Neighbour]:
        split = (self.inquiry.seed, self.inquiry.eval_split)
        return find(self.lookup, self.reading.notes, entries, split, tell)

    def _entry(self, row: Drawn) -> Entry:
        return entry_of(row, self.inquiry.shape, self.inquiry.seed, self.inquiry.eval_split, foreign=False)

    def _foreign(self) -> list[Entry]:
        if self.other is None:
            return []
        seed, split = self.inquiry.seed, self.inquiry.eval_split
        return [entry_of(row, self.other.shape, seed, split, foreign=True) for row in self.other.sample]

    def _shared(self, found: Sequence[Neighbour]) -> Estimate | None:
        """Lines are told by their numbers here: the other dataset has an examination of its own."""
        if self.other is None:
            return None
        pairs = zip(self.other.sample, found, strict=True)
        likes = [(row._replace(line=each.line), row.line) for row, each in pairs if each.line is not None]
        shared = estimate(len(likes), len(self.other.sample), self.other.distinct)
        self._tell(codes.SHARED_ROWS, shared, likes)
        return shared

    def _tell(self, code: Code, share: Estimate, likes: Likes) -> None:
        if likes:
            likes = sorted(likes, key=lambda each: each[0].line)
            row, like = likes[0]
            where = " of the other dataset" if code is codes.SHARED_ROWS else ""
            excerpt = row.text[:_EXCERPT].decode(errors="replace")
            lines = [each.line for each, _ in likes]
            self.findings.append(told(code, share, lines, excerpt, f"line {like}{where}"))

    def _tell_lines(self, code: Code, share: Estimate, lines: Sequence[int]) -> None:
        if lines:
            self.findings.append(told(code, share, lines, read_line(Path(self.inquiry.path), lines[0])))
