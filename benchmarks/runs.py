"""Every training of the learning benchmark: its settings, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import scores
from benchmarks.scores import Ask, Row, Scores
from modelforge.catalogue import STARTER
from modelforge.cli.demo import SETTINGS as DEMO


@dataclass(frozen=True)
class Goal:
    """A figure and what is wanted of it."""

    what: str
    """A score of the playground's answers, or else a metric of the job."""
    least: float | None = None
    """None only reports it."""
    most_before: float | None = None
    rise: float | None = None

    def wanted(self) -> str:
        parts = [
            f"before ≤ {self.most_before:.0%}" if self.most_before is not None else "",
            f"≥ {self.least:.0%}" if self.least is not None else "",
            f"up by ≥ {self.rise:.0%}" if self.rise is not None else "",
        ]
        return ", ".join(part for part in parts if part) or "reported"

    def met(self, before: float | None, after: float) -> bool:
        if self.most_before is not None and (before is None or before > self.most_before):
            return False
        if self.rise is not None and (before is None or after - before < self.rise):
            return False
        return self.least is None or after >= self.least


@dataclass(frozen=True)
class Run:
    """A row or some rows of the table: one training and what is wanted of it."""

    name: str
    dataset: str
    settings: dict[str, Any]
    probe: Callable[[Ask, Sequence[Row], Sequence[Row]], Scores]
    goals: tuple[Goal, ...]
    model: str = STARTER
    """A bundled model, one that is made here, or the name of a run here, whose model is trained on."""
    held_out: str | None = None
    """The file of held-out rows; without it they are split off here, by this column's value."""
    split_by: str | None = None
    before: bool = True
    """Whether the base can be asked; a model without a head has the job's figures only."""


_ADAPTER = {"lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "gradient_accumulation_steps": 1}
_PREFERENCES = {**_ADAPTER, "task": "text-generation", "per_device_eval_batch_size": 16}
# Learning rates, losses and generations are the product's own defaults, which are to learn as they are.
_DPO = {**_PREFERENCES, "strategy": "dpo", "per_device_train_batch_size": 4, "num_train_epochs": 1}
_RLHF = {**_PREFERENCES, "strategy": "rlhf", "per_device_train_batch_size": 4, "max_steps": 60}
_SUMMARIES = {"task": "summarization", "strategy": "sft", "per_device_eval_batch_size": 16}
_QUESTIONS = {"task": "extractive-question-answering", "strategy": "sft", "per_device_eval_batch_size": 16}
_STYLE = (Goal("preferred style", 0.9, most_before=0.4), Goal("whole sentences", 0.85))
_SUMMARY = (Goal("ROUGE-L", 0.8, rise=0.2), Goal("exact match", 0.5))
_ANSWER = (Goal("F1", 0.8), Goal("exact match", 0.7))

RUNS = (
    Run(
        "sft",
        "demo.jsonl",
        {**DEMO, "strategy": "sft"},
        scores.trained_word_for_word,
        (Goal("trained questions", 0.9, most_before=0.1), Goal("held-out phrasings")),
        held_out="demo-heldout.jsonl",
    ),
    Run(
        "qlora",
        "demo.jsonl",
        {**DEMO, "strategy": "qlora"},
        scores.trained_word_for_word,
        (Goal("trained questions", 0.85, most_before=0.1), Goal("held-out phrasings")),
        held_out="demo-heldout.jsonl",
    ),
    *(
        Run(
            f"preset {preset or 'none'}",
            "demo.jsonl",
            {"task": "text-generation", "strategy": "sft", "preset": preset},
            scores.trained_word_for_word,
            (Goal("trained questions", least), Goal("held-out phrasings")),
            held_out="demo-heldout.jsonl",
        )
        for preset, least in ((None, None), ("quick", None), ("balanced", 0.5), ("best", 0.7))
    ),
    Run("dpo", "preferences.jsonl", _DPO, scores.style, (Goal("preference_accuracy", 0.9), *_STYLE)),
    Run(
        "rlhf",
        "preferences.jsonl",
        _RLHF,
        scores.style,
        (*_STYLE, Goal("reward_model_accuracy", 0.9), Goal("reward"), Goal("kl"), Goal("completion_length")),
    ),
    Run(
        "sft then dpo",
        "preferences.jsonl",
        _DPO,
        scores.style,
        (Goal("preferred style", rise=0.2), Goal("preference_accuracy", 0.9)),
        model="sft",
    ),
    Run(
        "summarization",
        "summarization.jsonl",
        {**_SUMMARIES, **_ADAPTER, "learning_rate": 3e-3, "per_device_train_batch_size": 8, "num_train_epochs": 2},
        scores.summaries,
        _SUMMARY,
        split_by="input",
    ),
    Run(
        "summarization, T5",
        "summarization.jsonl",
        {
            **_SUMMARIES,
            "use_lora": False,
            "learning_rate": 3e-3,
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 1,
            "num_train_epochs": 30,
            "max_grad_norm": 1.0,
        },
        scores.summaries,
        _SUMMARY,
        model="t5",
        split_by="input",
    ),
    Run(
        "extractive QA",
        "qa.jsonl",
        {**_QUESTIONS, **_ADAPTER, "learning_rate": 2e-3, "per_device_train_batch_size": 16, "num_train_epochs": 6},
        scores.answers,
        _ANSWER,
        split_by="context",
        before=False,
    ),
    Run(
        "extractive QA, BERT",
        "qa.jsonl",
        {
            **_QUESTIONS,
            "use_lora": False,
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 1,
            "num_train_epochs": 40,
            # An encoder that knows nothing needs all the rows that there are; a tenth of the notes is kept out anyway.
            "eval_split": 0.02,
            "max_grad_norm": 1.0,
        },
        scores.answers,
        _ANSWER,
        model="bert",
        split_by="context",
        before=False,
    ),
)
"""Every training of the benchmark with its settings, in the order of the table."""
