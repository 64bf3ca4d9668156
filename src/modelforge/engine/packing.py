"""Documents laid end to end in as few rows as hold them, about equally full."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence


def rows_of(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Which documents share a row, by their numbers: rows of at most ``limit`` tokens, or of one document that is
    longer by itself.

    The longest first, each into the emptiest row (Graham's LPT rule): rows of about the same length cost the same
    memory, and nothing is padded.
    """
    order = sorted(range(len(lengths)), key=lambda at: -lengths[at])
    count = max(1, math.ceil(sum(lengths) / limit))
    while True:
        rows: list[tuple[int, int, list[int]]] = [(0, number, []) for number in range(count)]
        for at in order:
            filled, number, row = rows[0]
            row.append(at)
            heapq.heapreplace(rows, (filled + lengths[at], number, row))
        if all(filled <= limit or len(row) == 1 for filled, _, row in rows):
            return [sorted(row) for _, _, row in sorted(rows, key=lambda each: each[1]) if row]
        count += 1
