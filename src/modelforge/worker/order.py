"""The order in which rows are learnt: a function of seed and epoch alone.

transformers draws it from the global generator, whose state at the start of an epoch a checkpoint in its middle does
not hold: a resumed run would see other batches than an undisturbed one. Its grouping by length goes from long to short
through each part of an epoch; here the batches are shuffled again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from datasets import Dataset

POOL_BATCHES = 50
"""Batches that are drawn together and sorted by length: more pad less and are less random."""


class EpochOrder(Sampler[int]):
    """Row numbers of an epoch; ``set_epoch`` is called by the data loader."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, *, group_by_length: bool) -> None:
        """``lengths`` in tokens, by row; ``batch_size`` in rows of one optimizer step, which get like lengths."""
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._group_by_length = group_by_length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        rows = torch.randperm(len(self._lengths), generator=generator).tolist()
        if not self._group_by_length:
            return iter(rows)
        batches: list[list[int]] = []
        # At least four pools, so that short runs are mixed, too.
        size = self._batch_size * max(1, min(POOL_BATCHES, len(rows) // (4 * self._batch_size)))
        for start in range(0, len(rows), size):
            pool = sorted(rows[start : start + size], key=self._lengths.__getitem__)
            batches += [pool[at : at + self._batch_size] for at in range(0, len(pool), self._batch_size)]
        # Only the last batch may be short, or it would shift the borders of those after it.
        last = [batches.pop()] if len(batches[-1]) < self._batch_size else []
        shuffled = [batches[at] for at in torch.randperm(len(batches), generator=generator).tolist()]
        return iter([row for batch in shuffled + last for row in batch])


class PromptOrder(EpochOrder):
    """Row numbers for answers that are compared: each prompt several times in a row, and each batch of prompts as
    often as the trainer fetches it (TRL's RLOOTrainer, which fetches a batch for every micro-step of it).

    TRL's own order goes on from epoch to epoch, so that a resume in a later one would see other prompts; and it leaves
    out what does not fill a batch, which here is filled up with prompts from the start.
    """

    def __init__(self, rows: int, prompts: int, answers: int, fetches: int, seed: int) -> None:
        """``prompts`` of one optimizer step, ``answers`` for each, ``fetches`` of each batch."""
        super().__init__([1] * rows, prompts, seed, group_by_length=False)
        self._rows = rows
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


def lengths_of(rows: Dataset) -> list[int]:
    """Numbers in each row, of all columns but the labels that stand beside every token."""
    total: Any = None
    for name in rows.column_names:
        column = rows.data.column(name)
        if pa.types.is_list(column.type) and not (name == "labels" and _same_lengths(rows)):
            lengths = pc.list_value_length(column)
            total = lengths if total is None else pc.add(total, lengths)
    lengths_list: list[int] = total.to_pylist()
    return lengths_list


def _same_lengths(rows: Dataset) -> bool:
    """Whether labels and ids are of one length in the first row, as for causal models."""
    first = rows[0]
    return len(first["labels"]) == len(first["input_ids"])
