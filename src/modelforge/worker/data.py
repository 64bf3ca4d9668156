"""Rows on the disk become numbers on the disk, split into what is learnt and what is held out; in constant memory."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.arrow_writer import ArrowWriter

from datasets import Dataset, Features, List, Value
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import iter_rows
from modelforge.errors import InvalidDataset
from modelforge.tasks.base import Example, Row

ROWS_BETWEEN_LOOKS = 256


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
    dropped: list[int] = field(default_factory=list)
    """Line numbers of rows that have no room for any of their answer."""


def share(row: Row, seed: int) -> float:
    """A number in [0, 1) that depends on the row and the seed alone: adding rows moves none to the other side, and
    equal rows are always on the same."""
    digest = hashlib.blake2b(f"{seed}\0{json.dumps(row, sort_keys=True)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class _Side:
    """One of the two sides: a file of examples, made when the first one comes, and a few of its rows."""

    def __init__(self, path: Path, samples: int) -> None:
        self._path = path
        self._writer: ArrowWriter | None = None
        self._samples = samples
        self._rows: list[tuple[float, int, Row]] = []
        self.count = 0

    def write(self, place: float, row: Row, examples: Sequence[Example]) -> None:
        for example in examples:
            if self._writer is None:
                features = Features({name: _feature(value) for name, value in example.columns.items()})
                self._writer = ArrowWriter(path=str(self._path), features=features)
            self._writer.write(dict(example.columns))
        self.count += 1
        # Those nearest to the border: which they are does not depend on the order of the file.
        heapq.heappush(self._rows, (-place, -self.count, row))
        if len(self._rows) > self._samples:
            heapq.heappop(self._rows)

    def rows(self) -> list[Row]:
        return [row for _, _, row in sorted(self._rows, key=lambda each: (-each[0], -each[1]))]

    def close(self) -> Dataset | None:
        if self._writer is None:
            return None
        self._writer.finalize()
        return Dataset.from_file(str(self._path))


def _feature(value: list[int] | int | str) -> Any:
    if isinstance(value, str):
        return Value("string")
    return List(Value("int32")) if isinstance(value, list) else Value("int32")


def prepare(
    path: Path,
    shape: str,
    encode: Callable[[Row], Sequence[Example]],
    *,
    max_seq_length: int,
    eval_split: float,
    seed: int,
    samples: int,
    cache: Path,
    check_stop: Callable[[], None],
) -> Prepared:
    """Encode every usable row and split by ``share``; ``samples`` rows at most are kept as they are.

    Raises InvalidDataset when nothing is left to learn from.
    """
    cache.mkdir(exist_ok=True)
    cut, unanswerable = 0, False
    dropped: list[int] = []
    sides = {side: _Side(cache / f"{side}.arrow", samples) for side in ("train", "eval")}
    reserve: tuple[float, str, float, Row, Sequence[Example]] | None = None
    for number, (line, row) in enumerate(iter_rows(path, SHAPES.get(shape))):
        if number % ROWS_BETWEEN_LOOKS == 0:
            check_stop()
        examples = encode(row)
        unanswerable = unanswerable or row.get("answers") == []
        if not examples:
            dropped.append(line)
            continue
        cut += sum(example.cut > 0 for example in examples)
        place = share(row, seed)
        side = "eval" if place < eval_split else "train"
        # With a share above 0 each side gets at least one row: the one nearest to the border waits until the end and
        # goes where none went.
        distance = abs(place - eval_split)
        if eval_split > 0 and (reserve is None or distance < reserve[0]):
            if reserve is not None:
                sides[reserve[1]].write(*reserve[2:])
            reserve = (distance, side, place, row, examples)
        else:
            sides[side].write(place, row, examples)
    if reserve is not None:
        empty = [name for name, side in sides.items() if side.count == 0]
        sides[empty[0] if empty else reserve[1]].write(*reserve[2:])
    train, held_out = sides["train"].close(), sides["eval"].close()
    if train is None:
        raise InvalidDataset(
            f"no row is left to learn from: with max_seq_length {max_seq_length}, {len(dropped)} rows have no room "
            "for any of their answer"
        )
    return Prepared(train, held_out, sides["eval"].rows() or sides["train"].rows(), cut, unanswerable, dropped)
