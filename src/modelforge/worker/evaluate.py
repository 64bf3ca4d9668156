"""The loss on rows that are not learnt: per learnt token, whatever the batches, and without a trace in the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer

from modelforge.tasks.base import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset


class Evaluation:
    """Takes the place of a trainer's own evaluation.

    transformers averages the means of batches, so that its loss depends on their size, and draws from the generator
    that dropout draws from, so that a training that is evaluated goes another way than one that is not.
    """

    def __init__(self, trainer: Trainer, check_stop: Callable[[], None]) -> None:
        """``check_stop`` is called between two batches, and raises when the run is to end."""
        self._trainer = trainer
        self._check_stop = check_stop
        trainer.evaluate = self  # type: ignore[method-assign,assignment]

    def __call__(self, rows: Dataset | None = None, name: str = "eval_loss", **_: Any) -> dict[str, float]:
        """Measure the loss on ``rows`` (the trainer's held-out ones by default) in nats per learnt token, and log it
        as ``name`` at the present step."""
        trainer = self._trainer
        loader = trainer.get_eval_dataloader(rows)
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.eval()
        total, tokens = 0.0, 0
        devices = list(range(torch.cuda.device_count()))
        with torch.random.fork_rng(devices), torch.no_grad(), trainer.compute_loss_context_manager():
            for batch in loader:
                self._check_stop()
                inputs = trainer._prepare_inputs(batch)
                # The first token of a row is never predicted.
                learnt = int((inputs["labels"][..., 1:] != IGNORED).sum())
                loss: Any = trainer.compute_loss(model, inputs)
                total += float(loss) * learnt
                tokens += learnt
        measured = {name: total / max(1, tokens)}
        trainer.log(dict(measured))
        model.train()
        return measured
