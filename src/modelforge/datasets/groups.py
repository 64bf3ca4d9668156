"""All rows that are nearly the same as another, over all of a dataset: groups of rows, each near one of the others.

What is known of each row lies on the disk: 64 bytes of keys, and where its line begins.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from modelforge.datasets.duplicates import AT_ONCE, Notes
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import usable_rows
from modelforge.datasets.neighbours import BATCH, text_of
from modelforge.datasets.parts import Part, blocks_of
from modelforge.datasets.rows import rows_of
from modelforge.datasets.similarity import BANDS, NEAR, Hashes, alike, grams, keys
from modelforge.datasets.stages import Tell
from modelforge.datasets.tally import LISTED
from modelforge.worker.encoding import share

IN_VAIN = 200
"""Rows with one key that were like none before them, one after the other, after which the others of that key are left:
rows by one pattern would else all be compared, in vain. Those that are nearly the same have other keys in common,
too."""
_KEPT = 4000
"""Rows whose runs of characters are kept at hand."""
_ENDS = 1 << 22

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


def write_keys(
    path: Path, part: Part, shape: str, folder: Path, split: tuple[int, float], tell: Tell | None = None
) -> int:
    """Note the keys of each usable row of a part, a file for each band; how many of its rows are held out."""
    seed, eval_split = split
    held_out = 0
    outs = [(folder / f"{part.start}.band{band}").open("wb") for band in range(BANDS)]
    texts: list[str] = []
    read = 0
    try:
        for number, block in blocks_of(path, part):
            if block is None:
                continue
            read += len(block)
            for _, row in usable_rows(rows_of(number, block), SHAPES.get(shape)):
                texts.append(text_of(row))
                held_out += bool(eval_split) and share(row, seed) < eval_split
                if len(texts) == BATCH:
                    _write(outs, texts)
                    texts = []
            if tell is not None and part.start == 0:
                tell(read)
        if texts:
            _write(outs, texts)
    finally:
        for out in outs:
            out.close()
    return held_out


def _write(outs: Sequence[BinaryIO], texts: list[str]) -> None:
    # Half of a key is enough: rows that look alike are compared.
    found = (keys(grams(texts)) >> np.uint64(32)).astype(np.uint32)
    for band, out in enumerate(outs):
        found[:, band].tofile(out)


def line_starts(path: Path, folder: Path) -> Path:
    """Note where the file's lines begin."""
    made = folder / "starts"
    with path.open("rb") as stream, made.open("wb") as out:
        np.zeros(1, dtype=np.uint64).tofile(out)
        at = 0
        while chunk := stream.read(_ENDS):
            (np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == 10) + (at + 1)).astype(np.uint64).tofile(out)
            at += len(chunk)
    return made


class Groups:
    """Rows by their place among the usable ones; joined as pairs are found."""

    def __init__(self, path: Path, shape: str, notes: Notes, starts: Path, seed: int, eval_split: float) -> None:
        self._stream = path.open("rb", buffering=0)
        self._size = os.fstat(self._stream.fileno()).st_size
        self._shape = SHAPES.get(shape)
        self._lines = notes.column("lines")
        self._starts = np.memmap(starts, dtype=np.uint64, mode="r")
        self._seed, self._split = seed, eval_split
        self._parent = np.arange(len(self._lines), dtype=np.int32 if len(self._lines) < 1 << 31 else np.int64)
        self._side = np.full(len(self._lines), -1, dtype=np.int8)
        self.skipped = 0
        """Pairs that looked alike and were not compared."""
        self._near: OrderedDict[int, Hashes] = OrderedDict()

    def close(self) -> None:
        self._stream.close()

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
        line = int(self._lines[place])
        start = int(self._starts[line - 1])
        end = int(self._starts[line]) if line < len(self._starts) else self._size
        self._stream.seek(start)
        text = self._stream.read(end - start).removeprefix(b"\xef\xbb\xbf" if line == 1 else b"").rstrip(b"\r\n")
        ((_, row),) = usable_rows(rows_of(1, text), self._shape)
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
