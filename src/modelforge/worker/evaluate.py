"""What a model is worth on rows that are not learnt: the same whatever the batches, and without a trace in the
training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer

from modelforge.worker.trainers import OurTrainer, Tally

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from datasets import Dataset


@contextmanager
def quiet(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients, and the random generators as they were when it is over: a training that is
    evaluated goes the way of one that is not."""
    training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(list(range(torch.cuda.device_count()))), torch.no_grad():
            yield
    finally:
        model.train(training)


class Evaluation:
    """Takes the place of a trainer's own evaluation.

    transformers averages the means of batches, so that its loss depends on their size, and draws from the generator
    that dropout draws from, so that a training that is evaluated goes another way than one that is not.
    """

    def __init__(
        self,
        trainer: OurTrainer,
        check_stop: Callable[[], None],
        also: Callable[[PreTrainedModel], dict[str, float]] | None = None,
    ) -> None:
        """``check_stop`` is called between two batches, and raises when the run is to end. ``also`` measures more on a
        model."""
        self._trainer = trainer
        self._check_stop = check_stop
        self._also = also
        trainer.evaluate = self  # type: ignore[method-assign]

    def __call__(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the trainer's model on its held-out rows, and log it at the present step."""
        model = self._model
        measured = {f"eval_{name}": value for name, value in self.measure().items()}
        if self._also is not None:
            with quiet(model):
                measured |= self._also(model)
        trainer = self._trainer
        trainer.log(dict(measured))
        trainer._determine_best_metric(measured, trial=None)
        # Else the end of an epoch, where one is due at that step, would evaluate once more.
        trainer.control = trainer.callback_handler.on_evaluate(trainer.args, trainer.state, trainer.control, measured)
        return measured

    def measure(self, rows: Dataset | None = None) -> dict[str, float]:
        """Means over ``rows`` (the trainer's held-out ones by default); ``loss`` in nats per learnt token, or as the
        trainer defines it."""
        trainer, model = self._trainer, self._model
        sums: dict[str, Tally] = {}
        with quiet(model), trainer.compute_loss_context_manager():
            for batch in trainer.get_eval_dataloader(rows):
                self._check_stop()
                inputs: Any = Trainer._prepare_inputs(trainer, batch)  # not TRL's own, which would draw answers
                for name, tally in trainer.tally(model, inputs).items():
                    total, number = sums.get(name, Tally(0.0, 0))
                    sums[name] = Tally(total + tally.total, number + tally.number)
        return {name: tally.total / max(1, tally.number) for name, tally in sums.items()}

    @property
    def _model(self) -> PreTrainedModel:
        model: PreTrainedModel = self._trainer.accelerator.unwrap_model(self._trainer.model)
        return model
