"""Causal models on their answers, by TRL's SFTTrainer: for what the engine does not do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trl import SFTTrainer

from modelforge.tasks.base import IGNORED
from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class AnswerTrainer(OurTrainer, SFTTrainer):
    """TRL's SFTTrainer, over rows of ``input_ids`` and ``labels``: causal models."""

    def tally(self, model: PreTrainedModel, inputs: dict[str, Any]) -> dict[str, Tally]:
        # The first token of a row is never predicted.
        learnt = int((inputs["labels"][..., 1:] != IGNORED).sum())
        loss: Any = self.compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        measured = {"loss": Tally(float(loss) * learnt, learnt)}
        # Unsloth's version of this trainer makes no logits, and so knows no accuracy.
        for accuracy in self._metrics["eval"]["mean_token_accuracy"][-1:]:
            measured["token_accuracy"] = Tally(accuracy * learnt, learnt)
        self._metrics["eval"].clear()
        return measured
