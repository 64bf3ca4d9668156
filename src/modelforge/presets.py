"""Settings that go together, for who does not want to choose each."""

from __future__ import annotations

from modelforge.contracts.catalogue import Preset

PRESETS = (
    Preset(
        name="quick",
        about="One pass over the data with a small adapter: to see whether it works at all.",
        changes={
            "num_train_epochs": 1,
            "lora_r": 8,
            "lora_alpha": 16,
            "max_eval_samples": 20,
            "load_best_model_at_end": False,
            "early_stopping_patience": None,
        },
    ),
    Preset(
        name="balanced",
        about="Three passes with an adapter of the usual size: a good result for most data.",
        changes={
            "num_train_epochs": 3,
            "lora_r": 16,
            "lora_alpha": 32,
            "max_eval_samples": 100,
            "load_best_model_at_end": False,
            "early_stopping_patience": None,
        },
    ),
    Preset(
        name="best",
        about="Up to ten passes with a large adapter; it ends when it learns nothing more, and the best state is kept.",
        changes={
            "num_train_epochs": 10,
            "lora_r": 32,
            "lora_alpha": 64,
            "max_eval_samples": 100,
            "load_best_model_at_end": True,
            "early_stopping_patience": 3,
        },
    ),
)
