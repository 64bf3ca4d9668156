"""Models that read padded batches: the examples of one optimizer step, cut into batches of like lengths.

As many go through the model at once as would if all were as long as the longest there is: short ones leave room for
more, and products with more rows run faster. So a step pads little, and takes no more memory than was reckoned with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import Seq2SeqTrainer

from modelforge.tasks.base import IGNORED
from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Example = Mapping[str, Any]
Collator = Callable[[list[Any]], Mapping[str, Any]]


class PaddedTrainer(OurTrainer):
    """transformers' Trainer; a batch is what one optimizer step learns from, in parts."""

    def __init__(self, *, data_collator: Collator, tokens: int, **options: Any) -> None:
        """``data_collator`` makes a padded batch of examples, which has no more than ``tokens`` but where a single
        example has."""
        super().__init__(data_collator=Parts(data_collator, tokens), **options)

    def weight(self, part: Mapping[str, Tensor]) -> int:
        """What a part's loss is the mean of: that many."""
        raise NotImplementedError

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """The mean loss over all parts, its gradient added."""
        model.train()
        weights = [self.weight(part) for part in inputs["parts"]]
        loss = torch.zeros((), device=self.args.device)
        for part, weight in zip(inputs["parts"], weights, strict=True):
            with self.compute_loss_context_manager():
                mean = model(**part).loss * (weight / sum(weights))
            self.accelerator.backward(mean)
            loss += mean.detach()
        return loss

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        """All that is measured on the parts, added up."""
        sums: dict[str, Tally] = {}
        for part in inputs["parts"]:
            for name, tally in self.measured(model(**part), part).items():
                total, number = sums.get(name, Tally(0.0, 0))
                sums[name] = Tally(total + tally.total, number + tally.number)
        return sums

    def measured(self, outputs: Any, part: Mapping[str, Tensor]) -> dict[str, Tally]:
        """What is measured on one part, ``loss`` among it."""
        weight = self.weight(part)
        return {"loss": Tally(float(outputs.loss) * weight, weight)}


class SummaryTrainer(PaddedTrainer, Seq2SeqTrainer):
    """Over rows of ``input_ids`` and ``labels``: encoder-decoder models."""

    def weight(self, part: Mapping[str, Tensor]) -> int:
        """Tokens that are learnt."""
        return int((part["labels"] != IGNORED).sum())

    def measured(self, outputs: Any, part: Mapping[str, Tensor]) -> dict[str, Tally]:
        """With the share of learnt tokens that were the likeliest."""
        learnt = part["labels"] != IGNORED
        right = (outputs.logits.argmax(-1) == part["labels"]) & learnt
        return {
            **super().measured(outputs, part),
            "token_accuracy": Tally(float(right.sum()), int(learnt.sum())),
        }


class SpanTrainer(PaddedTrainer):
    """Over rows of ``input_ids``, ``start_positions`` and ``end_positions``."""

    def weight(self, part: Mapping[str, Tensor]) -> int:
        """Examples."""
        return len(part["start_positions"])


class Parts:
    """Makes a batch of examples: their ``input_ids``, end to end, by which transformers counts tokens, and the padded
    ``parts`` that they go through the model in, the longest examples first."""

    def __init__(self, collator: Collator, tokens: int) -> None:
        self._collator = collator
        self._tokens = tokens

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        ids = torch.tensor([[token for example in examples for token in example["input_ids"]]])
        parts = [dict(self._collator(part)) for part in self._parts(examples)]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "parts": parts}

    def _parts(self, examples: Sequence[Example]) -> Iterator[list[Example]]:
        part: list[Example] = []
        for example in sorted(examples, key=size, reverse=True):
            if part and (len(part) + 1) * size(part[0]) > self._tokens:
                yield part
                part = []
            part.append(example)
        yield part


def size(example: Example) -> int:
    """Tokens that an example is read and written in, as ``choices.longest_example`` counts them."""
    return len(example["input_ids"]) + len(example.get("labels", ()))
