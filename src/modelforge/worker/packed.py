"""Causal models on their answers, by the engine: documents of one optimizer step laid end to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modelforge.engine.engine import Documents, Engine
from modelforge.engine.packing import rows_of
from modelforge.tasks.base import IGNORED
from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from transformers import PreTrainedModel


EVAL_ROWS = 32
"""Examples that are measured together; the engine cuts them into rows by their tokens."""


class PackedTrainer(OurTrainer):
    """transformers' Trainer over rows of ``input_ids`` and ``labels``; a batch is what one optimizer step learns from,
    cut into rows of about ``row_tokens`` tokens by the engine."""

    def __init__(self, *, row_tokens: int, compiled: bool, **options: Any) -> None:
        super().__init__(data_collator=collate, **options)
        model: Any = self.model
        self.engine = Engine(model, compiled=compiled)
        self._row_tokens = row_tokens
        self._right, self._learnt = 0, 0

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The mean loss of what is learnt in the batch, its gradient added to the adapter's."""
        model.train()
        learnt = int((_targets(inputs) != IGNORED).sum())
        loss = torch.zeros((), device=self.args.device)
        with self.engine.at_work():
            for documents in _rows(inputs, self._row_tokens):
                summed, right, _ = self.engine.loss(documents)
                self.accelerator.backward(summed / learnt)
                loss += summed.detach() / learnt
                self._right += int(right)
        self._learnt += learnt
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With the share of learnt tokens that were the likeliest since the last time."""
        if "loss" in logs and self._learnt:
            logs["token_accuracy"] = self._right / self._learnt
            self._right, self._learnt = 0, 0
        super().log(logs, start_time)

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        """Loss and accuracy of a batch."""
        loss, likeliest, number = 0.0, 0, 0
        with self.engine.at_work():
            for documents in _rows(inputs, self._row_tokens):
                summed, right, learnt = self.engine.loss(documents)
                loss, likeliest, number = loss + float(summed), likeliest + int(right), number + learnt
        return {"loss": Tally(loss, number), "token_accuracy": Tally(float(likeliest), number)}


def for_whole_steps(arguments: dict[str, Any]) -> dict[str, Any]:
    """The TrainingArguments with all examples of an optimizer step in one batch."""
    return {
        **arguments,
        "per_device_train_batch_size": arguments["per_device_train_batch_size"]
        * arguments["gradient_accumulation_steps"],
        "gradient_accumulation_steps": 1,
        "per_device_eval_batch_size": max(EVAL_ROWS, arguments["per_device_eval_batch_size"]),
    }


def collate(rows: Sequence[dict[str, list[int]]]) -> dict[str, Tensor]:
    """``input_ids`` and ``labels`` of all rows, of shape (1, tokens), and the rows' ``lengths``."""
    ids = torch.tensor([[token for row in rows for token in row["input_ids"]]])
    return {
        "input_ids": ids,
        "labels": torch.tensor([[label for row in rows for label in row["labels"]]]),
        "attention_mask": torch.ones_like(ids),  # by which transformers counts tokens
        "lengths": torch.tensor([len(row["input_ids"]) for row in rows]),
    }


def _targets(batch: dict[str, Tensor]) -> Tensor:
    """The label of the place after each one; none at the end of a row."""
    targets = torch.full_like(batch["labels"][0], IGNORED)
    targets[:-1] = batch["labels"][0, 1:]
    targets[batch["lengths"].cumsum(0) - 1] = IGNORED
    return targets


def _rows(batch: dict[str, Tensor], limit: int) -> Iterator[Documents]:
    lengths = batch["lengths"].cpu()
    sizes = lengths.tolist()
    ids = torch.split(batch["input_ids"][0], sizes)
    targets = torch.split(_targets(batch), sizes)
    for row in rows_of(sizes, limit):
        yield Documents(
            torch.cat([ids[at] for at in row]),
            torch.cat([targets[at] for at in row]),
            torch.cat([torch.arange(sizes[at]) for at in row]),
            lengths[row],
        )
