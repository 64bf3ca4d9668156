"""All rows that are nearly the same as another, over all of a dataset: groups of rows, each near one of the others.

What is known of each row lies on the disk: its keys, and where its line begins.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelforge.datasets.duplicates import AT_ONCE
from modelforge.datasets.lookup import Lookup
from modelforge.datasets.notes import Notes
from modelforge.datasets.similarity import NEAR, Hashes, alike, grams, text_of
from modelforge.datasets.tally import LISTED
from modelforge.worker.encoding import share

IN_VAIN = 200
"""Rows with one key that were like none before them, one after the other, after which the others of that key are left:
rows by one pattern would else all be compared, in vain. Those that are nearly the same have other keys in common,
too."""
_KEPT = 4000
"""Rows whose runs of characters are kept at hand."""

Places = npt.NDArray[np.int64]


class Grouped(NamedTuple):
    """What was found."""

    rows: int
    """Rows that are near another, of rows that are the same counting one."""
    lines: list[int]
    """The first of them."""
    leaked: int
    """Held-out rows in a group with one that is learnt from."""
    leaked_lines: list[int]


class Groups:
    """Rows by their place among the usable ones; joined as pairs are found."""

    def __init__(self, lookup: Lookup, notes: Notes, seed: int, eval_split: float) -> None:
        self._lookup = lookup
        self._lines = notes.column("lines")
        self._seed, self._split = seed, eval_split
        self._parent = np.arange(len(self._lines), dtype=np.int32 if len(self._lines) < 1 << 31 else np.int64)
        self._side = np.full(len(self._lines), -1, dtype=np.int8)
        self.skipped = 0
        """Pairs that looked alike and were not compared."""
        self._near: OrderedDict[int, Hashes] = OrderedDict()

    def join(self, band: npt.NDArray[np.uint32], firsts: npt.NDArray[np.bool_]) -> None:
        """Compare rows whose keys agree: each with the one before it and with the first."""
        bits = max(0, (len(band) - 1) // AT_ONCE).bit_length()
        for part in range(1 << bits):
            chosen = np.flatnonzero(firsts & ((band >> np.uint32(32 - bits)) == part) if bits else firsts)
            order = chosen[np.argsort(band[chosen], kind="stable")]
            same = np.flatnonzero(band[order[1:]] == band[order[:-1]]) + 1
            head, vain = -1, 0
            for at in same.tolist():
                if head < 0 or band[order[head]] != band[order[at]]:
                    head, vain = at - 1, 0
                if vain >= IN_VAIN:
                    self.skipped += 1
                elif self._joined(int(order[at - 1]), int(order[at])):
                    vain = 0
                elif head == at - 1 or not self._joined(int(order[head]), int(order[at])):
                    vain += 1

    def _joined(self, one: int, other: int) -> bool:
        root, branch = self._root(one), self._root(other)
        if root == branch:
            return True
        if alike(self._grams(one), self._grams(other)) < NEAR:
            return False
        self._parent[max(root, branch)] = min(root, branch)
        return True

    def _root(self, place: int) -> int:
        parent = self._parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = int(parent[place])
        return place

    def _grams(self, place: int) -> Hashes:
        found = self._near.get(place)
        if found is not None:
            self._near.move_to_end(place)
            return found
        row = self._lookup.row(place)
        self._side[place] = share(row, self._seed) < self._split
        found = self._near[place] = grams([text_of(row)]).of(0)
        if len(self._near) > _KEPT:
            self._near.popitem(last=False)
        return found

    def heads(self) -> npt.NDArray[np.bool_]:
        """Whether a row is the first of its group; one that is near no other is."""
        return np.asarray(self._parent == np.arange(len(self._parent)))

    def told(self) -> Grouped:
        """What all joins came to."""
        roots = self._parent.copy()
        while True:
            above = roots[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        sizes = np.bincount(roots, minlength=len(roots))
        members = np.flatnonzero(sizes[roots] > 1)
        learnt = np.zeros(len(roots), dtype=bool)
        learnt[roots[members[self._side[members] == 0]]] = True
        leaked = members[(self._side[members] == 1) & learnt[roots[members]]]
        first, first_leaked = ([int(self._lines[at]) for at in places[:LISTED]] for places in (members, leaked))
        return Grouped(len(members), first, len(leaked), first_leaked)
