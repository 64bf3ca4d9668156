"""The order in which rows are learnt: a function of seed and epoch alone.

transformers draws it from the global generator, whose state at the start of an epoch a checkpoint in its middle does
not hold: a resumed run would see other batches than an undisturbed one. Its grouping by length goes from long to short
through each part of an epoch; here the batches are shuffled again.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from datasets import Dataset

POOL_BATCHES = 50
"""Batches that are drawn together and sorted by length: more pad less and are less random."""
_PART = 4096


class Part(NamedTuple):
    """Rows that lie together, of which an epoch takes some."""

    rows: int
    an_epoch: int
    """How many it takes; more than there are where some are to come more than once."""


class Draw:
    """Which rows an epoch learns from, of parts that lie one after another.

    Of a part that is not taken as a whole each epoch takes the next ones of an endless row of shuffles of it: none
    comes again before all have come, and which they are depends on seed and epoch alone.
    """

    def __init__(self, parts: Sequence[Part], seed: int) -> None:
        self._parts = parts
        self._seed = seed

    def __len__(self) -> int:
        return sum(part.an_epoch for part in self._parts)

    def rows(self, epoch: int) -> Any:
        """Row numbers over all parts, in no order that is to be learnt in."""
        taken, first = [], 0
        for number, part in enumerate(self._parts):
            taken.append(first + self._taken(number, part, epoch))
            first += part.rows
        return np.concatenate(taken)

    def _taken(self, number: int, part: Part, epoch: int) -> Any:
        if part.an_epoch == part.rows:
            return np.arange(part.rows)
        found: list[Any] = []
        at, end = epoch * part.an_epoch, (epoch + 1) * part.an_epoch
        while at < end:
            shuffle, place = divmod(at, part.rows)
            some = shuffled(part.rows, f"{self._seed} {number} {shuffle}")[place : place + end - at]
            found.append(some)
            at += len(some)
        return np.concatenate(found)


def shuffled(rows: int, seed: str) -> Any:
    """Row numbers in an order that depends on their number and the seed alone."""
    digest = hashlib.blake2b(seed.encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
    return torch.randperm(rows, generator=generator).numpy()


class EpochOrder(Sampler[int]):
    """Row numbers of an epoch; ``set_epoch`` is called by the data loader."""

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, *, group_by_length: bool, draw: Draw | None = None
    ) -> None:
        """``lengths`` in tokens, by row; ``batch_size`` in rows of one optimizer step, which get like lengths. An epoch
        has all rows, or those of ``draw``."""
        self._lengths = lengths
        self._draw = draw
        self._rows = len(lengths) if draw is None else len(draw)
        self._batch_size = batch_size
        self._seed = seed
        self._group_by_length = group_by_length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        rows: Any = torch.randperm(self._rows, generator=generator).numpy()
        if self._draw is not None:
            rows = self._draw.rows(self._epoch)[rows]
        if self._group_by_length:
            rows = self._grouped(rows, generator)
        # As Python's numbers a part at a time: a million of them take 40 MB.
        return (row for at in range(0, len(rows), _PART) for row in rows[at : at + _PART].tolist())

    def _grouped(self, rows: Any, generator: torch.Generator) -> Any:
        lengths = np.asarray(self._lengths)
        # At least four pools, so that short runs are mixed, too.
        size = self._batch_size * max(1, min(POOL_BATCHES, len(rows) // (4 * self._batch_size)))
        for start in range(0, len(rows), size):
            pool = rows[start : start + size]
            rows[start : start + size] = pool[np.argsort(lengths[pool], kind="stable")]
        # Only the last batch may be short, or it would shift the borders of those after it.
        whole = len(rows) // self._batch_size
        batches = rows[: whole * self._batch_size].reshape(whole, self._batch_size)
        shuffled = batches[torch.randperm(whole, generator=generator).numpy()]
        return np.concatenate([shuffled.reshape(-1), rows[whole * self._batch_size :]])


class PromptOrder(EpochOrder):
    """Row numbers for answers that are compared: each prompt several times in a row, and each batch of prompts as
    often as the trainer fetches it (TRL's RLOOTrainer, which fetches a batch for every micro-step of it).

    TRL's own order goes on from epoch to epoch, so that a resume in a later one would see other prompts; and it leaves
    out what does not fill a batch, which here is filled up with prompts from the start.
    """

    def __init__(
        self, rows: int, prompts: int, answers: int, fetches: int, seed: int, draw: Draw | None = None
    ) -> None:
        """``prompts`` of one optimizer step, ``answers`` for each, ``fetches`` of each batch."""
        super().__init__(range(rows), prompts, seed, group_by_length=False, draw=draw)
        self._prompts = prompts
        self._answers = answers
        self._fetches = fetches

    def __len__(self) -> int:
        return math.ceil(self._rows / self._prompts) * self._prompts * self._answers * self._fetches

    def __iter__(self) -> Iterator[int]:
        rows = list(super().__iter__())
        while len(rows) % self._prompts:
            rows += rows[: self._prompts - len(rows) % self._prompts]
        for start in range(0, len(rows), self._prompts):
            for _ in range(self._fetches):
                for row in rows[start : start + self._prompts]:
                    yield from [row] * self._answers


def lengths_of(rows: Dataset) -> Sequence[int]:
    """Numbers in each row, of all columns but the labels that stand beside every token; 4 bytes a row."""
    total: Any = None
    for name in rows.column_names:
        column = rows.data.column(name)
        if pa.types.is_list(column.type) and not (name == "labels" and _same_lengths(rows)):
            lengths = pc.list_value_length(column)
            total = lengths if total is None else pc.add(total, lengths)
    return array("i", total.to_numpy().astype(np.int32).tobytes())


def _same_lengths(rows: Dataset) -> bool:
    """Whether labels and ids are of one length in the first row, as for causal models."""
    first = rows[0]
    return len(first["labels"]) == len(first["input_ids"])
