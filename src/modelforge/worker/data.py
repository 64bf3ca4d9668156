"""Rows on the disk become numbers on the disk, split into what is learnt and what is held out; in constant memory."""

from __future__ import annotations

import heapq
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datasets import Dataset
from modelforge.datasets.ingest import open_regular
from modelforge.datasets.rows import read_blocks
from modelforge.errors import InvalidDataset
from modelforge.tasks.base import Row
from modelforge.worker.encoding import Bounds, Column, Encoded, Encoding, Lists, share
from modelforge.worker.entries import Entries, empty, is_whole, key_of, seal
from modelforge.worker.pool import Block, Work, encoded

__all__ = ["Encoding", "Entries", "Prepared", "prepare", "share"]

BLOCK_BYTES = 1 << 17
"""Of lines that are encoded together: some hundred rows, a few tenths of a second."""
BATCH_BYTES = 1 << 22
"""Of numbers that are written together: what is learnt from later is looked up in a list of these batches."""
TRAIN, HELD_OUT, DROPPED, ABOUT = "train.arrow", "eval.arrow", "dropped.bin", "about.json"
PLACES = "places.bin"


@dataclass
class Prepared:
    """Rows in numbers, and what became of those that are not among them."""

    train: Dataset
    held_out: Dataset | None
    held_out_rows: Sequence[Row]
    """Some of the held-out rows as they stand in the file, or of the others where none is held out."""
    cut: int
    """Examples that lost something to the length."""
    unanswerable: bool
    """Whether some question has no answer."""
    places: Path
    """Each row's ``share``, a float of 8 bytes: what tells whether another file has the same row."""
    dropped: Sequence[int] = ()
    """Line numbers of rows that have no room for any of their answer."""


def prepare(
    path: Path,
    encoding: Encoding,
    *,
    cache: Path,
    shared: Entries | None,
    check_stop: Callable[[], None],
    processes: int | None = None,
) -> Prepared:
    """Encode every usable row and split by ``share``; ``max_eval_samples`` rows at most are kept as they are.

    The numbers lie in the run's own folder ``cache``, made anew unless an earlier attempt, or another run by way of
    ``shared``, has made the very same. ``processes`` of None lets the amount of work decide; the result is the same.

    Raises InvalidDataset when nothing is left to learn from.
    """
    key = key_of(encoding, path)
    if key is None or not is_whole(cache, key):
        empty(cache)
        if key is None or shared is None or not shared.take(key, cache):
            _make(path, encoding, cache, check_stop, processes)
            if key is not None:
                seal(cache, key)
                if shared is not None:
                    shared.keep(key, cache)
    about = json.loads((cache / ABOUT).read_text(encoding="utf-8"))
    return Prepared(
        Dataset.from_file(str(cache / TRAIN)),
        Dataset.from_file(str(cache / HELD_OUT)) if (cache / HELD_OUT).exists() else None,
        about["rows"],
        about["cut"],
        about["unanswerable"],
        cache / PLACES,
        array("q", (cache / DROPPED).read_bytes()),
    )


def _make(path: Path, encoding: Encoding, folder: Path, check_stop: Callable[[], None], processes: int | None) -> None:
    split = _Split(folder, encoding)
    cut, unanswerable, dropped = 0, False, array("q")
    work = Work(encoding, _blocks(path), path.stat().st_size, split.bounds, check_stop)
    with (folder / PLACES).open("wb") as places:
        for block in encoded(work, processes):
            cut += sum(tokens > 0 for tokens in block.cuts)
            unanswerable = unanswerable or block.unanswerable
            dropped.extend(block.dropped)
            block.places.tofile(places)
            split.add(block)
    train, held_out = split.close()
    if not train.count:
        config = encoding.config
        raise InvalidDataset(
            f"no row is left to learn from: with max_seq_length {config.max_seq_length}, {len(dropped)} rows have no "
            "room for any of their answer"
        )
    about = {"cut": cut, "unanswerable": unanswerable, "rows": held_out.rows() or train.rows()}
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    (folder / DROPPED).write_bytes(dropped)


def _blocks(path: Path) -> Iterator[Block]:
    with open_regular(path) as stream:
        for line, text in read_blocks(stream, size=BLOCK_BYTES):
            if text is not None:  # a line that is too long
                yield Block(line, text)


class _Side:
    """One of the two sides: a file of examples, made when the first one comes, and a few of its rows."""

    def __init__(self, path: Path, samples: int) -> None:
        self._path = path
        self._writer: pa.RecordBatchStreamWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._samples = samples
        self._rows: list[tuple[float, int, Row]] = []
        self.count = 0

    @property
    def bound(self) -> float:
        """The place from which on a row is no sample."""
        return -self._rows[0][0] if len(self._rows) == self._samples else float("inf")

    def write(self, rows: int, examples: pa.RecordBatch) -> None:
        self.count += rows
        if examples.num_rows:
            self._waiting.append(examples)
            if sum(batch.nbytes for batch in self._waiting) > BATCH_BYTES:
                self._flush()

    def see(self, place: float, number: int, row: Row) -> None:
        """Keep a row where it is one of those nearest to 0: which they are does not depend on the order of the file."""
        heapq.heappush(self._rows, (-place, -number, row))
        if len(self._rows) > self._samples:
            heapq.heappop(self._rows)

    def rows(self) -> list[Row]:
        return [row for _, _, row in sorted(self._rows, key=lambda each: (-each[0], -each[1]))]

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting).combine_chunks()
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self._path), table.schema)
        self._writer.write_table(table)
        self._waiting = []


@dataclass
class _Reserve:
    """The row that is nearest to the border so far."""

    distance: float
    side: _Side
    place: float
    number: int
    row: Row
    examples: pa.RecordBatch

    def write(self, side: _Side) -> None:
        side.write(1, self.examples)
        side.see(self.place, self.number, self.row)


class _Split:
    """Rows go to the side that ``share`` says. With a part held out each side gets at least one row: the one nearest
    to the border waits until the end and goes where none went."""

    def __init__(self, folder: Path, encoding: Encoding) -> None:
        self._split = encoding.config.eval_split
        samples = encoding.config.max_eval_samples
        self._train, self._held_out = _Side(folder / TRAIN, samples), _Side(folder / HELD_OUT, samples)
        self._reserve: _Reserve | None = None
        self._seen = 0

    def bounds(self) -> Bounds:
        distance = self._reserve.distance if self._reserve is not None else float("inf")
        return Bounds(self._held_out.bound, self._train.bound, distance)

    def add(self, block: Encoded) -> None:
        if not block.places:
            return
        examples = pa.RecordBatch.from_pydict({name: _arrow(column) for name, column in block.columns.items()})
        places, counts = np.frombuffer(block.places), np.frombuffer(block.counts, dtype=np.int64)
        ends = np.concatenate([[0], np.cumsum(counts)])
        done = 0
        for at in self._nearer(places):
            self._write(done, at, places, counts, ends, examples, block.rows)
            if self._reserve is not None:
                self._reserve.write(self._reserve.side)
            place = float(places[at])
            side = self._held_out if place < self._split else self._train
            # A copy: a part would keep its whole block in memory.
            kept = examples.take(pa.array(np.arange(ends[at], ends[at + 1])))
            distance, number = abs(place - self._split), self._seen + at
            self._reserve = _Reserve(distance, side, place, number, block.rows[at], kept)
            done = at + 1
        self._write(done, len(places), places, counts, ends, examples, block.rows)
        self._seen += len(places)

    def close(self) -> tuple[_Side, _Side]:
        """The rows that are learnt and those that are held out, all written."""
        if self._reserve is not None:
            without = [side for side in (self._train, self._held_out) if side.count == 0]
            self._reserve.write(without[0] if without else self._reserve.side)
        self._train.close()
        self._held_out.close()
        return self._train, self._held_out

    def _nearer(self, places: Any) -> list[int]:
        """The rows that are nearer to the border than all before them."""
        if self._split == 0:
            return []
        distances = np.abs(places - self._split)
        before = np.concatenate([[self.bounds().distance], distances[:-1]])
        return [int(at) for at in np.flatnonzero(distances < np.minimum.accumulate(before))]

    def _write(
        self, start: int, end: int, places: Any, counts: Any, ends: Any, examples: pa.RecordBatch, rows: dict[int, Row]
    ) -> None:
        """The rows from ``start`` up to ``end`` without it."""
        held_out = places[start:end] < self._split
        part = examples.slice(int(ends[start]), int(ends[end] - ends[start]))
        for side, mine in ((self._held_out, held_out), (self._train, ~held_out)):
            side.write(int(mine.sum()), part.filter(pa.array(np.repeat(mine, counts[start:end]))))
        for at, row in rows.items():
            if start <= at < end:
                side = self._held_out if held_out[at - start] else self._train
                side.see(float(places[at]), self._seen + at, row)


def _arrow(column: Column) -> pa.Array:
    if isinstance(column, Lists):
        values = pa.Array.from_buffers(pa.int32(), len(column.values), [None, pa.py_buffer(column.values)])
        ends = pa.Array.from_buffers(pa.int32(), len(column.ends), [None, pa.py_buffer(column.ends)])
        return pa.ListArray.from_arrays(ends, values)
    if isinstance(column, list):
        return pa.array(column, pa.string())
    return pa.Array.from_buffers(pa.int32(), len(column), [None, pa.py_buffer(column)])
