"""For each row of a sample whether any row of the dataset is nearly the same, by the keys that were noted of all rows.

The sample alone would not tell: of two rows that are alike it hardly ever holds both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from modelforge.datasets.formats import SHAPES, usable_rows
from modelforge.datasets.lookup import Lookup
from modelforge.datasets.notes import Notes, Tell
from modelforge.datasets.rows import rows_of
from modelforge.datasets.sample import Drawn
from modelforge.datasets.similarity import BANDS, NEAR, Hashes, Keys, alike, grams, keys_of, text_of
from modelforge.worker.encoding import share

_BATCH = 1 << 16
"""Rows whose keys are looked up together."""
ENOUGH = 32
"""Neighbours of one row after which none on the other side of the split is waited for: with a fifth held out, all of so
many are on one side once in a thousand."""
IN_VAIN = 50
"""Rows that looked alike and were not, after which a row of the sample is given up: rows by one pattern would else all
be compared with each other."""
_AT_HAND = 2000
"""Rows of the sample whose runs of characters are kept at hand."""
AT_ONCE = 8
"""Rows of the sample that one row is compared with at most."""
RUN = 64
"""Of rows of the sample with one key those that are taken into account."""


class Entry(NamedTuple):
    """A row of the sample, as every process needs it."""

    fingerprint: int
    text: str
    held_out: bool
    foreign: bool
    """Whether it is another dataset's."""


@dataclass(slots=True)
class Neighbour:
    """What was found for a row of the sample."""

    line: int | None = None
    """Of the first row that is nearly the same."""
    across: int | None = None
    """Of the first such that is on the other side of the split."""
    count: int = 0
    in_vain: int = 0

    @property
    def given_up(self) -> bool:
        """Whether so many rows looked alike in vain that no more were compared."""
        return self.in_vain >= IN_VAIN


def entry_of(drawn: Drawn, shape: str, seed: int, eval_split: float, foreign: bool) -> Entry:
    """A drawn row with its text and the side of the split that it is on."""
    ((_, row),) = usable_rows(rows_of(1, drawn.text), SHAPES.get(shape))
    return Entry(drawn.fingerprint, text_of(row), share(dict(row), seed) < eval_split, foreign)


def find(
    lookup: Lookup, notes: Notes, entries: Sequence[Entry], split: tuple[int, float], tell: Tell
) -> list[Neighbour]:
    """What all rows are to the sample; an entry of which enough is known is left out of the rest. ``split`` is the seed
    of the split, and which share is held out."""
    table = _Table(entries, lookup, notes, *split)
    for start in range(0, len(notes.keys), _BATCH):
        table.look(start, notes.keys[start : start + _BATCH])
        tell(start)
        if not table.open:
            break
    return table.found


class _Table:
    """The sample by the keys of its bands."""

    def __init__(self, entries: Sequence[Entry], lookup: Lookup, notes: Notes, seed: int, eval_split: float) -> None:
        self.found = [Neighbour() for _ in entries]
        self.open = len(entries)
        self._entries, self._seed, self._split = entries, seed, eval_split
        self._lookup, self._lines, self._rows = lookup, notes.column("lines"), notes.column("rows")
        self._keys = keys_of([entry.text for entry in entries])
        # The runs of all would take ten times as much as their texts.
        self._set = lru_cache(_AT_HAND)(self._grams_of)
        self._own = {entry.fingerprint: number for number, entry in enumerate(entries) if not entry.foreign}
        self._settled = np.zeros(len(entries), dtype=bool)
        self._build()

    def _build(self) -> None:
        """The bands of what is not settled yet, each sorted."""
        live = np.flatnonzero(~self._settled)
        self.open = self._built = len(live)
        orders = [np.argsort(self._keys[live, band], kind="stable") for band in range(BANDS)]
        self._numbers = [live[order] for order in orders]
        self._sorted = [self._keys[number, band] for band, number in enumerate(self._numbers)]

    def look(self, start: int, asked: Keys) -> None:
        """Compare rows with the sample: those from a place on that have these keys."""
        if not self.open:
            return
        hits: dict[int, list[tuple[int, int]]] = {}
        for at, band, place, alone in self._hits(asked):
            # That a row of the sample is like itself is no hit.
            if not alone or self._own.get(int(self._rows[start + at])) != self._numbers[band][place]:
                hits.setdefault(at, []).append((band, place))
        for at in sorted(hits):
            self._compare(start + at, hits[at])
        if self.open < 0.9 * self._built:
            self._build()

    def _hits(self, asked: Keys) -> Iterator[tuple[int, int, int, bool]]:
        """Rows, bands, where in a band the row's key stands, and whether it stands there once."""
        for band, known in enumerate(self._sorted):
            wanted = asked[:, band]
            places = np.searchsorted(known, wanted)
            places[places == len(known)] = 0
            for at in np.flatnonzero(known[places] == wanted).tolist():
                place = int(places[at])
                yield at, band, place, place + 1 == len(known) or known[place + 1] != known[place]

    def _compare(self, place: int, hits: list[tuple[int, int]]) -> None:
        line, fingerprint = int(self._lines[place]), int(self._rows[place])
        candidates: Counter[int] = Counter()
        for band, at in hits:
            candidates.update(self._in_band(band, at, line))
        row, found, held_out = None, None, False
        # The more bands agree, the likelier it is.
        for number, _ in candidates.most_common(AT_ONCE):
            entry = self._entries[number]
            if fingerprint == entry.fingerprint and not entry.foreign:
                continue  # itself, or a row that is the same
            if row is None or found is None:
                row = self._lookup.row(place)
                found = grams([text_of(row)]).of(0)
                held_out = share(row, self._seed) < self._split
            if alike(found, self._set(number)) < NEAR:
                self._note(number, None, False)
            else:
                self._note(number, line, held_out != entry.held_out)

    def _in_band(self, band: int, place: int, line: int) -> Iterator[int]:
        """Entries with the key that stands at this place, without those that are settled; of very many, some, and
        others for another line."""
        known, numbers = self._sorted[band], self._numbers[band]
        end = int(np.searchsorted(known, known[place], side="right"))
        if end - place > RUN:
            place += line % (end - place - RUN)
            end = place + RUN
        chosen = numbers[place:end]
        return iter(chosen[~self._settled[chosen]].tolist())

    def _grams_of(self, number: int) -> Hashes:
        return grams([self._entries[number].text]).of(0)

    def _note(self, number: int, line: int | None, across: bool) -> None:
        """``line`` is None for a row that only looked alike."""
        neighbour, entry = self.found[number], self._entries[number]
        if line is None:
            neighbour.in_vain += 1
        else:
            neighbour.count += 1
            if neighbour.line is None:
                neighbour.line = line
            if across and neighbour.across is None:
                neighbour.across = line
        enough = neighbour.across is not None or entry.foreign or self._split == 0 or neighbour.count >= ENOUGH
        if (neighbour.line is not None and enough) or neighbour.in_vain >= IN_VAIN:
            self._settled[number] = True
            self.open -= 1
