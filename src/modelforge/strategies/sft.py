"""Supervised fine-tuning: the model learns to give the answers in the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.contracts.training import TrainingConfig
from modelforge.strategies.base import Run
from modelforge.strategies.stage import Training
from modelforge.tasks.base import Example, Head, Measured, Row, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

    from modelforge.worker.trainers import OurTrainer


ROWS_BETWEEN = 16
"""Rows that the task's own metrics are measured on at an evaluation during the training: answers take time."""


class Sft:
    """LoRA by default, every weight with ``use_lora: false``; the loss is on the answer alone.

    Our engine for causal models, or TRL's SFTTrainer for those that it does not know; transformers' Seq2SeqTrainer for
    encoder-decoder models and its Trainer for extractive question answering.
    """

    name: str = "sft"
    about: str = "Learns to give the answers in your examples; the way to begin, and enough for most goals."
    options: ClassVar[frozenset[str]] = frozenset()
    engine: ClassVar[bool] = True
    packs: ClassVar[bool] = True
    keeps: ClassVar[Sequence[str]] = ()

    def shapes(self, task: Task) -> Sequence[str]:
        """Those of the task."""
        return task.shapes

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        return {"learning_rate": 2e-4, "lora_dropout": 0.1}

    def arguments(self, config: TrainingConfig) -> dict[str, Any]:
        """More of transformers' TrainingArguments, for a strategy that is this one but for them."""
        return {}

    def check(self, config: TrainingConfig) -> None:
        """Nothing beside what every strategy asks for."""

    def encode(
        self, task: Task, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head
    ) -> list[Example]:
        """As the task does."""
        return task.encode(tokenizer, row, config, head)

    def stages(self, run: Run) -> Sequence[Training]:
        """One."""
        from modelforge.worker.lengths import total_steps  # noqa: PLC0415

        def trainer(arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> OurTrainer:
            return _trainer(run, {**arguments, **self.arguments(run.config)}, callbacks)

        def between(model: PreTrainedModel) -> dict[str, float]:
            return _measure(run, model, run.rows[:ROWS_BETWEEN])

        return [Training(run.config, total_steps(run.config, run.rows_an_epoch), trainer, between=between)]

    def measure(self, run: Run, model: PreTrainedModel) -> dict[str, float]:
        """The task's own metrics."""
        return _measure(run, model, run.rows)


def _measure(run: Run, model: PreTrainedModel, rows: Sequence[Row]) -> dict[str, float]:
    return run.task.measure(Measured(model, run.tokenizer, run.head, run.config, run.check_stop), rows)


def _trainer(run: Run, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> OurTrainer:
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainingArguments, TrainingArguments  # noqa: PLC0415

    from modelforge.worker.choices import longest_example  # noqa: PLC0415 - torch stays in the worker
    from modelforge.worker.packed import for_whole_steps  # noqa: PLC0415
    from modelforge.worker.padded import SpanTrainer, SummaryTrainer  # noqa: PLC0415

    shared: dict[str, Any] = {
        "model": run.model,
        "processing_class": run.tokenizer,
        "train_dataset": run.train,
        "eval_dataset": run.held_out,
        "callbacks": callbacks,
    }
    if run.head is not Head.CAUSAL:
        whole = for_whole_steps(arguments)
        shared["tokens"] = arguments["per_device_train_batch_size"] * longest_example(run.train)
        if run.head is Head.SPAN:
            collator = run.task.collator(run.tokenizer)
            return SpanTrainer(args=TrainingArguments(**whole), data_collator=collator, **shared)
        collator = DataCollatorForSeq2Seq(run.tokenizer, model=run.model)
        return SummaryTrainer(args=Seq2SeqTrainingArguments(**whole), data_collator=collator, **shared)
    if run.spec.row_tokens is not None:
        from modelforge.worker.packed import PackedTrainer  # noqa: PLC0415

        return PackedTrainer(
            row_tokens=run.spec.row_tokens,
            args=TrainingArguments(**for_whole_steps(arguments)),
            **shared,
        )
    from trl import SFTConfig  # noqa: PLC0415 - seconds, that the engine does not need

    from modelforge.worker.answers import AnswerTrainer  # noqa: PLC0415

    return AnswerTrainer(
        args=SFTConfig(
            **arguments,
            max_length=None,  # rows come tokenized and cut
            dataset_kwargs={"skip_prepare_dataset": True},
            padding_free=bool(run.config.packing),
        ),
        **shared,
    )
