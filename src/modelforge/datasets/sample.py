"""Rows drawn from a dataset by their content, and what a share of them says of all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

ROWS = 20_000
"""With so many a share is known to within 0.7 %, at 95 %."""
BYTES = 32_000_000
"""What they may take; rows that are long are fewer."""
_Z = 1.959964
"""Standard errors on either side, for 95 %."""


class Drawn(NamedTuple):
    """A row of the sample. They are ordered by their ranks."""

    rank: int
    fingerprint: int
    line: int
    text: bytes
    """The line as it stands in the file."""


class Sample:
    """Those of the rows added that have the lowest ranks, each content once."""

    def __init__(self, rows: int = ROWS, size: int = BYTES) -> None:
        self._most, self._size = rows, size
        self._rows: dict[int, Drawn] = {}
        self._bytes = 0
        self.bound = 1 << 64
        """Ranks from here on are not drawn."""

    def add(self, row: Drawn) -> None:
        earlier = self._rows.get(row.rank)
        if row.rank >= self.bound or (earlier is not None and earlier.line <= row.line):
            return
        self._rows[row.rank] = row
        self._bytes += len(row.text)
        if len(self._rows) > 2 * self._most or self._bytes > 2 * self._size:
            self._cut()

    def _cut(self) -> None:
        kept: dict[int, Drawn] = {}
        self._bytes = 0
        for row in sorted(self._rows.values()):
            if row.rank >= self.bound:
                break
            # Which are kept depends on nothing but the rows: those of the lowest ranks, as many as there is room for.
            if len(kept) == self._most or (kept and self._bytes + len(row.text) > self._size):
                self.bound = row.rank
                break
            kept[row.rank] = row
            self._bytes += len(row.text)
        self._rows = kept

    def rows(self) -> list[Drawn]:
        """The sample."""
        self._cut()
        return list(self._rows.values())

    def merge(self, rows: Iterable[Drawn], lines: int, bound: int) -> None:
        """Add what was drawn from a later part of the file, which has so many lines before it."""
        self.bound = min(self.bound, bound)
        for row in rows:
            self.add(row._replace(line=row.line + lines))


def interval(found: int, of: int, whole: int | None = None) -> tuple[float, float]:
    """Between which shares that of all rows lies, at 95 % (Wilson's interval); ``whole`` is how many they all are."""
    if of == 0:
        return 0.0, 1.0
    if whole is not None and of >= whole:
        return found / of, found / of
    share, square = found / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)
