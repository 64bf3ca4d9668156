"""What a strategy is: its own defaults, and how it makes a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from modelforge.contracts.training import TrainingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback

    from datasets import Dataset


class Strategy(Protocol):
    """The seam of a strategy."""

    @property
    def name(self) -> str: ...

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        """Values for fields that the request left at None."""

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
        """A trainer over rows of ``input_ids`` and ``labels``; ``arguments`` are those all strategies share."""
