"""For each row of a sample whether any row of the dataset is nearly the same: one reading of all rows, in parts.

The sample alone would not tell: of two rows that are alike it hardly ever holds both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from modelforge.datasets.fingerprints import Said, digest, said
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import usable_rows
from modelforge.datasets.parts import Part, blocks_of
from modelforge.datasets.rows import rows_of
from modelforge.datasets.sample import Drawn
from modelforge.datasets.similarity import BANDS, NEAR, Hashes, alike, grams, keys
from modelforge.datasets.stages import Tell
from modelforge.worker.encoding import share

BATCH = 1024
"""Rows that are compared together."""
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

    def take(self, later: Neighbour, lines: int) -> None:
        """Add what was found in a later part of the file, which has so many lines before it."""
        if self.line is None and later.line is not None:
            self.line = later.line + lines
        if self.across is None and later.across is not None:
            self.across = later.across + lines
        self.count += later.count
        self.in_vain += later.in_vain


def entry_of(drawn: Drawn, shape: str, seed: int, eval_split: float, foreign: bool) -> Entry:
    """A drawn row with its text and the side of the split that it is on."""
    ((_, row),) = usable_rows(rows_of(1, drawn.text), SHAPES.get(shape))
    return Entry(drawn.fingerprint, text_of(row), share(dict(row), seed) < eval_split, foreign)


def text_of(row: dict[str, Any]) -> str:
    """What two rows are compared by: all of their texts."""
    return whole(said(row))


def whole(text: Said) -> str:
    """The same of a row that is text already."""
    return f"{text.prompt}\0{text.answer}"


def find(
    path: Path, part: Part, shape: str, entries: Sequence[Entry], split: tuple[int, float], tell: Tell | None = None
) -> list[Neighbour]:
    """What the rows of a part are to the sample; an entry of which enough is known is left out of the rest.
    ``split`` is the seed of the split, and which share is held out."""
    table = _Table(entries, *split)
    lines: list[int] = []
    rows: list[dict[str, Any]] = []
    read = 0
    for number, block in blocks_of(path, part):
        if block is None:
            continue
        read += len(block)
        for line, row in usable_rows(rows_of(number, block), SHAPES.get(shape)):
            lines.append(line)
            rows.append(row)
            if len(rows) == BATCH:
                table.look(lines, rows)
                lines, rows = [], []
        if tell is not None and part.start == 0:
            tell(read)
        if not table.open:
            break
    if rows:
        table.look(lines, rows)
    return table.found


class _Table:
    """The sample by the keys of its bands."""

    def __init__(self, entries: Sequence[Entry], seed: int, eval_split: float) -> None:
        self.found = [Neighbour() for _ in entries]
        self.open = len(entries)
        self._entries, self._seed, self._split = entries, seed, eval_split
        texts = [entry.text for entry in entries]
        made = [keys(grams(texts[at : at + BATCH])) for at in range(0, len(texts), BATCH)]
        self._keys = np.concatenate([np.zeros((0, BANDS), dtype=np.uint64), *made])
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

    def look(self, lines: list[int], rows: list[dict[str, Any]]) -> None:
        """Compare rows with the sample."""
        if not self.open:
            return
        texts = [said(row) for row in rows]
        found = grams([whole(text) for text in texts])
        fingerprints = [digest(*text) for text in texts]
        own = np.array([self._own.get(each, -1) for each in fingerprints])
        hits: dict[int, list[tuple[int, int]]] = {}
        for at, band, place in self._hits(keys(found), own):
            hits.setdefault(at, []).append((band, place))
        for at in sorted(hits):
            self._compare(lines[at], rows[at], fingerprints[at], found.of(at), hits[at])
        if self.open < 0.9 * self._built:
            self._build()

    def _hits(self, asked: Hashes, own: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
        """Rows, bands, and where in a band the row's key stands. That a row of the sample is like itself is no hit."""
        for band, known in enumerate(self._sorted):
            places = np.searchsorted(known, asked[:, band])
            places[places == len(known)] = 0
            after = np.minimum(places + 1, len(known) - 1)
            alone = (known[after] != asked[:, band]) | (after == places)
            hit = (known[places] == asked[:, band]) & ~(alone & (self._numbers[band][places] == own))
            for at in np.flatnonzero(hit):
                yield int(at), band, int(places[at])

    def _compare(
        self, line: int, row: dict[str, Any], fingerprint: int, found: Hashes, hits: list[tuple[int, int]]
    ) -> None:
        candidates: Counter[int] = Counter()
        for band, place in hits:
            candidates.update(self._in_band(band, place, line))
        held_out = None
        # The more bands agree, the likelier it is.
        for number, _ in candidates.most_common(AT_ONCE):
            entry = self._entries[number]
            if fingerprint == entry.fingerprint and not entry.foreign:
                continue  # itself, or a row that is the same
            if alike(found, self._set(number)) < NEAR:
                self._note(number, None, False)
                continue
            if held_out is None:
                held_out = share(row, self._seed) < self._split
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
