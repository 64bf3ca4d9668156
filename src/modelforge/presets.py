"""Settings that go together, for who does not want to choose each: they fit the model and the amount of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from modelforge.contracts.preflight import RunLength
from modelforge.memory import Shape
from modelforge.registry import Registry

ENOUGH = 1000
"""Examples from which on the held-out ones say when to end. Of few rows each says something that no other says, and the
loss on what was never shown rises while the rest is learnt by heart: that of 52 questions went from 5.7 to 7.9, and the
answers that were right from none to nearly all that had been shown (benchmarks/LOG.md)."""
SMALL_SPLIT = 0.1
"""What is held out of little data: what is held out is not learnt."""
RATE, WIDTH, POWER = 5e-4, 2000, 0.78
"""The best learning rate of an adapter falls with the model's width: 5e-4 · (2000 / hidden size)^0.78 for models like
Llama (Schulman et al., LoRA Without Regret, 2025)."""
LEAST_RATE, MOST_RATE = 2e-4, 3e-3


@dataclass(frozen=True)
class Preset:
    """What a request gets where it says nothing of its own."""

    name: str
    about: str
    steps: int
    """Optimizer steps of a run on little data."""
    passes: tuple[int, int]
    """Passes over the data: at least, however much there is, and at most, however little."""
    lora_r: int
    max_eval_samples: int
    keeps_best: bool = False
    """Whether the held-out rows end it, where there are enough of them."""

    def settings(
        self, length: RunLength, described: Mapping[str, Any], *, supervised: bool, adapter: bool, new: bool
    ) -> dict[str, Any]:
        """Fields of the training configuration, for a model with this ``config.json``. ``supervised``: the run learns
        the answers in its data; ``adapter``: it trains an adapter, which is ``new`` unless an earlier run made it."""
        least, most = self.passes
        passes = ceil(self.steps * length.examples_per_step / length.examples_per_epoch) if supervised else least
        ends = self.keeps_best and length.held_out > 0 and length.examples_per_epoch >= ENOUGH
        found: dict[str, Any] = {}
        if length.held_out > 0 and length.examples_per_epoch < ENOUGH:
            found["eval_split"] = SMALL_SPLIT
        found |= {
            "num_train_epochs": min(max(passes, least), most),
            "max_eval_samples": self.max_eval_samples,
            "load_best_model_at_end": ends,
            "early_stopping_patience": 3 if ends else None,
        }
        if adapter and new:
            found |= {"lora_r": self.lora_r, "lora_alpha": 2 * self.lora_r}
        shape = Shape.of(described)
        if adapter and supervised and shape is not None:
            rate = min(max(RATE * (WIDTH / shape.hidden) ** POWER, LEAST_RATE), MOST_RATE)
            found["learning_rate"] = float(f"{rate:.1e}")
        return found


PRESETS = Registry(
    "preset",
    Preset(
        "quick",
        "A short try with a small adapter: to see whether it works at all.",
        steps=120,
        passes=(1, 10),
        lora_r=8,
        max_eval_samples=20,
    ),
    Preset(
        "balanced",
        "As many passes as the amount of data asks for: a good result for most.",
        steps=250,
        passes=(3, 20),
        lora_r=16,
        max_eval_samples=100,
    ),
    Preset(
        "best",
        "Twice as long with a larger adapter; of much data, the state that answers best is kept.",
        steps=500,
        passes=(5, 40),
        lora_r=32,
        max_eval_samples=100,
        keeps_best=True,
    ),
)
