"""Causal models on their answers, by the engine: documents of one optimizer step laid end to end."""

from __future__ import annotations

from collections.abc import Sequence
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
    cut into rows of about ``row_tokens`` tokens for the engine."""

    def __init__(self, *, row_tokens: int, **options: Any) -> None:
        super().__init__(data_collator=Packed(row_tokens), **options)
        model: Any = self.model
        self.engine = Engine(model)
        # On the device, where nothing waits for it.
        self._right: Tensor | int = 0
        self._learnt = 0

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The mean loss of what is learnt in the batch, its gradient added to the adapter's."""
        if not model.training:  # it goes through all modules
            model.train()
        learnt = sum(map(_learnt, inputs["documents"]))
        loss = torch.zeros((), device=self.args.device)
        with self.engine.at_work():
            for documents in inputs["documents"]:
                summed, right, _ = self.engine.loss(documents)
                self.accelerator.backward(summed / learnt)
                loss += summed.detach() / learnt
                self._right += right
        self._learnt += learnt
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With the share of learnt tokens that were the likeliest since the last time."""
        if "loss" in logs and self._learnt:
            logs["token_accuracy"] = int(self._right) / self._learnt
            self._right, self._learnt = 0, 0
        super().log(logs, start_time)

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        """Loss and accuracy of a batch."""
        loss, likeliest, number = 0.0, 0, 0
        with self.engine.at_work():
            for documents in inputs["documents"]:
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


class Packed:
    """Makes a batch of examples: their ``input_ids``, of shape (1, tokens), by which transformers counts tokens, and
    the ``documents`` of each row, which stay on the CPU."""

    def __init__(self, row_tokens: int) -> None:
        self._row_tokens = row_tokens

    def __call__(self, examples: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        ids = torch.tensor([[token for example in examples for token in example["input_ids"]]])
        lengths = [len(example["input_ids"]) for example in examples]
        rows = rows_of(lengths, self._row_tokens)
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "documents": [_end_to_end([examples[at] for at in row]) for row in rows],
        }


def _end_to_end(examples: Sequence[dict[str, list[int]]]) -> Documents:
    # What is to be predicted is the label of the place after; at the end of an example nothing.
    targets = [label for example in examples for label in (*example["labels"][1:], IGNORED)]
    lengths = [len(example["input_ids"]) for example in examples]
    return Documents(
        torch.tensor([token for example in examples for token in example["input_ids"]]),
        torch.tensor(targets),
        torch.cat([torch.arange(length) for length in lengths]),
        torch.tensor(lengths),
    )


def _learnt(documents: Documents) -> int:
    return int((documents.targets >= 0).sum())
