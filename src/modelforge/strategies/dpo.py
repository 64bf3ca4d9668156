"""Direct preference optimization: the better of two answers becomes likelier, the worse less (arXiv 2305.18290)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.strategies import preferences
from modelforge.strategies.base import Run
from modelforge.strategies.stage import Training
from modelforge.tasks.base import Example, Head, Row, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

    from modelforge.worker.trainers import OurTrainer

SMOOTHED = {"robust": 0.1, "exo_pair": 1e-3, "aot": 0.0, "aot_unpaired": 0.0}
"""Losses that ``label_smoothing`` is for, and what it is when it is not given."""


class Dpo:
    """TRL's DPOTrainer. The reference is the model as it was: the base with the adapter off, the adapter that an
    earlier run made, or with all weights a second model.

    The plain sigmoid loss over LoRA breaks sentences (measured: 40 steps, half of them); the likelihood of the chosen
    answers beside it keeps them whole.
    """

    name: ClassVar[str] = "dpo"
    about: ClassVar[str] = (
        "Learns from pairs of answers which one is better: to change the manner of a model that can do the "
        "task already."
    )
    options: ClassVar[frozenset[str]] = frozenset({"beta", "loss_type", "loss_weights", "label_smoothing"})
    engine: ClassVar[bool] = True
    packs: ClassVar[bool] = False
    keeps: ClassVar[Sequence[str]] = ()

    def shapes(self, task: Task) -> Sequence[str]:
        return preferences.SHAPES

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        losses = ["sigmoid", "sft"] if config.loss_type is None else _losses(config)
        weights = [1.0, 3.0] if config.loss_type is None else [1.0] * len(losses)
        return {
            "learning_rate": 1e-4 if config.use_lora else 5e-7,
            "lora_dropout": 0.0,
            "beta": 0.1,
            "loss_type": losses,
            "loss_weights": weights,
            "label_smoothing": max((SMOOTHED[loss] for loss in losses if loss in SMOOTHED), default=None),
        }

    def check(self, config: TrainingConfig) -> None:
        """Raises InvalidRequest for losses and weights that do not go together."""
        preferences.check(config)
        losses = _losses(config)
        if config.loss_weights is not None and len(config.loss_weights) != len(losses):
            raise InvalidRequest(
                f"loss_weights: {len(config.loss_weights)} weights for {len(losses)} losses ({', '.join(losses)}); "
                "give one for each"
            )
        if len(set(losses)) < len(losses):
            raise InvalidRequest("loss_type: a loss is named twice")
        if config.label_smoothing == 0 and "exo_pair" in losses:
            raise InvalidRequest("label_smoothing: the loss exo_pair needs some, 0.001 for example")
        if config.label_smoothing is not None and not set(losses) & set(SMOOTHED):
            raise InvalidRequest(f"label_smoothing: it is for the losses {', '.join(SMOOTHED)} alone")

    def encode(
        self, task: Task, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head
    ) -> list[Example]:
        assert config.max_seq_length is not None
        return preferences.encode(tokenizer, row, config.max_seq_length)

    def stages(self, run: Run) -> Sequence[Training]:
        """One."""
        from modelforge.worker.lengths import total_steps  # noqa: PLC0415

        def trainer(arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> OurTrainer:
            return _trainer(run, arguments, callbacks)

        return [Training(run.config, total_steps(run.config, run.rows_an_epoch), trainer)]

    def measure(self, run: Run, model: PreTrainedModel) -> dict[str, float]:
        """``final_loss`` of the chosen answers and ``preference_accuracy`` on all held-out pairs."""
        from modelforge.worker.pairs import measure_pairs  # noqa: PLC0415

        batch = run.config.per_device_eval_batch_size or 1
        return measure_pairs(model, run.tokenizer, run.measured, batch, run.check_stop)


def _losses(config: TrainingConfig) -> list[str]:
    losses = config.loss_type if config.loss_type is not None else ["sigmoid", "sft"]
    return [losses] if isinstance(losses, str) else list(losses)


def _trainer(run: Run, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> OurTrainer:
    from peft import PeftModel  # noqa: PLC0415
    from trl import DPOConfig  # noqa: PLC0415

    from modelforge.worker.pairs import PackedAnswers, PairTrainer  # noqa: PLC0415

    config = run.config
    whole = not isinstance(run.model, PeftModel)
    trainer = PairTrainer(
        model=run.model,
        ref_model=run.load_start() if whole else None,
        args=DPOConfig(
            **arguments,
            max_length=None,  # rows come tokenized and cut
            beta=config.beta or 0.1,
            loss_type=_losses(config),
            loss_weights=config.loss_weights,
            label_smoothing=config.label_smoothing or 0.0,
            disable_dropout=not config.lora_dropout,
        ),
        processing_class=run.tokenizer,
        train_dataset=run.train,
        eval_dataset=run.held_out,
        callbacks=callbacks,
    )
    if isinstance(run.model, PeftModel) and not run.spec.model.adapter:
        # TRL copies every adapter that it is given; a new one, which does nothing yet, is turned off for less.
        run.model.delete_adapter("ref")
    if run.spec.row_tokens is not None:
        trainer.packed = PackedAnswers(run.model, row_tokens=run.spec.row_tokens)
    return trainer
