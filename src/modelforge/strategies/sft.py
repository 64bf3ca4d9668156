"""Supervised fine-tuning: the model learns to give the answers in the data. TRL's SFTTrainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.contracts.training import TrainingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback

    from datasets import Dataset


class Sft:
    """LoRA by default, every weight with ``use_lora: false``; the loss is on the answer alone."""

    name: ClassVar[str] = "sft"

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        return {"learning_rate": 2e-4, "lora_dropout": 0.1}

    def trainer(
        self,
        config: TrainingConfig,
        arguments: dict[str, Any],
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset,
        held_out: Dataset | None,
        callbacks: list[TrainerCallback],
    ) -> Trainer:
        from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - torch stays in the worker

        return SFTTrainer(
            model=model,
            args=SFTConfig(
                **arguments,
                max_length=None,  # rows come tokenized and cut
                dataset_kwargs={"skip_prepare_dataset": True},
                padding_free=bool(config.packing),
            ),
            processing_class=tokenizer,
            train_dataset=train,
            eval_dataset=held_out,
            callbacks=callbacks,
        )
