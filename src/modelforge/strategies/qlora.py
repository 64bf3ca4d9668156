"""Supervised fine-tuning of an adapter over a base model in 4 bits (QLoRA, arXiv 2305.14314)."""

from __future__ import annotations

from typing import Any

from modelforge.contracts.training import TrainingConfig
from modelforge.strategies.sft import Sft


class QLora(Sft):
    """As sft; the frozen weights take an eighth of the memory that they take in float32. Needs bitsandbytes."""

    name: str = "qlora"
    about: str = (
        "The same with the model held in 4 bits: for a model that does not fit into memory otherwise, a little slower."
    )

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        return {**super().defaults(config), "use_4bit": True}
