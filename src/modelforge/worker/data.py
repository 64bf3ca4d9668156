"""Rows on the disk become tokens on the disk, split into what is learnt and what is held out; in constant memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.arrow_writer import ArrowWriter

from datasets import Dataset, Features, List, Value
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import iter_rows
from modelforge.errors import InvalidDataset
from modelforge.tasks.base import Example, Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FEATURES = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32"))})
ROWS_BETWEEN_LOOKS = 256


@dataclass
class Prepared:
    """Tokenized rows, and what became of those that are not among them."""

    train: Dataset
    held_out: Dataset | None
    cut: int
    """Rows that lost the end of their answer."""
    dropped: list[int] = field(default_factory=list)
    """Line numbers of rows whose prompt alone fills the length."""


def share(row: dict[str, str], seed: int) -> float:
    """A number in [0, 1) that depends on the row and the seed alone: adding rows moves none to the other side, and
    equal rows are always on the same."""
    digest = hashlib.blake2b(f"{seed}\0{json.dumps(row, sort_keys=True)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def prepare(
    path: Path,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_seq_length: int,
    eval_split: float,
    seed: int,
    cache: Path,
    check_stop: Callable[[], None],
) -> Prepared:
    """Tokenize every usable row and split by ``share``. Raises InvalidDataset when nothing is left to learn from."""
    cache.mkdir(exist_ok=True)
    cut = 0
    dropped: list[int] = []
    writers = {side: ArrowWriter(path=str(cache / f"{side}.arrow"), features=FEATURES) for side in ("train", "eval")}
    counts = {"train": 0, "eval": 0}
    reserve: tuple[float, str, Example] | None = None

    def write(side: str, example: Example) -> None:
        writers[side].write({"input_ids": example.input_ids, "labels": example.labels})
        counts[side] += 1

    for number, (line, row) in enumerate(iter_rows(path, SHAPES.get(task.shape))):
        if number % ROWS_BETWEEN_LOOKS == 0:
            check_stop()
        example = task.encode(tokenizer, row, max_seq_length)
        if example is None:
            dropped.append(line)
            continue
        cut += example.cut > 0
        place = share(row, seed)
        side = "eval" if place < eval_split else "train"
        # With a share above 0 each side gets at least one row: the one nearest to the border waits until the end and
        # goes where none went.
        distance = abs(place - eval_split)
        if eval_split > 0 and (reserve is None or distance < reserve[0]):
            if reserve is not None:
                write(reserve[1], reserve[2])
            reserve = (distance, side, example)
        else:
            write(side, example)
    if reserve is not None:
        empty = [side for side in ("train", "eval") if counts[side] == 0]
        write(empty[0] if empty else reserve[1], reserve[2])
    for writer in writers.values():
        writer.finalize()
    if counts["train"] == 0:
        raise InvalidDataset(
            f"no row is left to learn from: with max_seq_length {max_seq_length}, {len(dropped)} rows have no room "
            "for any of their answer"
        )
    held_out = Dataset.from_file(str(cache / "eval.arrow")) if counts["eval"] else None
    return Prepared(Dataset.from_file(str(cache / "train.arrow")), held_out, cut, dropped)
