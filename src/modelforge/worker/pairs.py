"""Answers in pairs, a better and a worse one: batches of them, how likely they are to a model, and TRL's DPOTrainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from trl import DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from modelforge.engine.engine import Engine
from modelforge.engine.loss import Told
from modelforge.engine.padded import told_of_rows
from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from datasets import Dataset


class PairTrainer(OurTrainer, DPOTrainer):
    """TRL's DPOTrainer over rows of ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``."""

    packed: PackedAnswers | None = None
    """The model's forward pass by the engine, where it can do it."""

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """As TRL does it, with the engine at work."""
        with self.packed.instead() if self.packed else nullcontext():
            return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[no-untyped-call]

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # it comes in tokens

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        pairs = len(inputs["input_ids"]) // 2
        with self.packed.instead() if self.packed else nullcontext():
            loss: Any = self.compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        told = self._metrics["eval"]
        accuracy, margin = told["rewards/accuracies"][-1], told["rewards/margins"][-1]
        told.clear()
        return {
            "loss": Tally(float(loss) * pairs, pairs),
            "reward_accuracy": Tally(accuracy * pairs, pairs),
            "reward_margin": Tally(margin * pairs, pairs),
        }


class PackedAnswers:
    """A model that tells the log-probabilities of padded rows by the engine, in the place of its own forward pass."""

    def __init__(self, model: Any, *, row_tokens: int) -> None:
        self._model = model
        self._engine = Engine(model)
        self._row_tokens = row_tokens

    @contextmanager
    def instead(self) -> Iterator[None]:
        """Within, the model gives TRL's trainers what they ask of its output layer, and no logits."""
        before = self._model.__dict__.get("forward")
        self._model.forward = self._forward
        try:
            with self._engine.at_work():
                yield
        finally:
            del self._model.forward
            if before is not None:
                self._model.forward = before

    def _forward(self, *, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, **_: Any) -> Told:
        return told_of_rows(self._engine, input_ids, attention_mask, labels, self._row_tokens)


def log_probs(model: PreTrainedModel, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-probability of each row's completion, in nats, and its tokens; both of shape (rows,).

    ``inputs`` are ``input_ids``, ``attention_mask`` and ``completion_mask``, of shape (rows, tokens).
    """
    outputs: Any = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False)
    mask = inputs["completion_mask"][:, 1:].bool()
    targets = inputs["input_ids"][:, 1:]
    sums = []
    # Row by row: in float32 the logits of all rows may be more than the model itself takes.
    for logits, target, learnt in zip(outputs.logits[:, :-1], targets, mask, strict=True):
        picked = torch.log_softmax(logits[learnt].float(), dim=-1)
        sums.append(picked.gather(-1, target[learnt].unsqueeze(-1)).sum())
    return torch.stack(sums), mask.sum(dim=1)


def measure_pairs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    batch_size: int,
    check_stop: Callable[[], None],
) -> dict[str, float]:
    """``final_loss``, of the chosen answers in nats per token, and ``preference_accuracy``: the share of pairs whose
    chosen answer is the likelier one to the model."""
    collate = DataCollatorForPreference(pad_token_id=int(tokenizer.pad_token_id or 0))
    loss, tokens, preferred = 0.0, 0, 0
    for at in range(0, len(rows), batch_size):
        check_stop()
        batch = collate(rows.select(range(at, min(at + batch_size, len(rows)))).to_list())
        inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
        likely, counts = log_probs(model, inputs)
        chosen, rejected = likely.chunk(2)
        loss -= float(chosen.sum())
        tokens += int(counts.chunk(2)[0].sum())
        preferred += int((chosen > rejected).sum())
    return {"final_loss": loss / max(1, tokens), "preference_accuracy": preferred / max(1, len(rows))}
