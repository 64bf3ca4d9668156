"""What is measured: a model, its data, ModelForge's settings, and who else does the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

from modelforge.catalogue import STARTER

Environment = Literal["own", "llama-factory", "unsloth"]
Unit = Literal["tokens", "steps"]

BATCH, ACCUMULATION = 4, 4
EXAMPLES = BATCH * ACCUMULATION
"""In an optimizer step, on every side."""
EVAL_SPLIT = 0.02


@dataclass(frozen=True)
class Rival:
    """Somebody else's way to do the same."""

    name: str
    module: str
    """A script in ``peers``."""
    least: float | None = None
    """How often faster ModelForge has to be; None only reports it."""
    aim: float | None = None
    environment: Environment = "own"
    memory: float | None = None
    """Peak memory that ModelForge may have, as a share of the rival's."""


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    model: str
    """One of ``models.MODELS``, or one that comes with ModelForge."""
    rivals: tuple[Rival, ...] = ()
    data: str = "instructions"
    """One of ``rows.KINDS``, or a file that comes with ModelForge."""
    steps: int = 34
    """Optimizer steps; the rows are as many as that takes, so that each is seen once."""
    task: str = "text-generation"
    strategy: str = "sft"
    learning_rate: float = 2e-4
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What ModelForge is told beyond that."""
    unit: Unit = "tokens"
    """What is compared: tokens a second; or steps a second, where the sides count tokens otherwise."""
    reward_model: str | None = None
    batch: int = BATCH
    accumulation: int = ACCUMULATION
    decode: int | None = None
    """No training: so many requests at a time, each of 64 tokens, for 128 more."""
    share: bool = False
    """Whether the share of the arithmetic limit is told."""
    first_step: tuple[float, float] | None = None
    """Without rivals: seconds from the request to the first step's end, at most and as the aim."""
    quantized: bool = False
    """The base model in 4 bits."""

    @property
    def examples(self) -> int:
        """In an optimizer step."""
        return self.batch * self.accumulation

    def rows(self, steps: int) -> int:
        """How many rows are made, so that what ``EVAL_SPLIT`` leaves is enough for these steps."""
        return max(30, ceil(steps * self.examples / (1 - EVAL_SPLIT)) + 1)


GENERATIONS, ANSWER_TOKENS = 8, 64
"""Of rlhf: answers to a prompt, and their length. A model of random weights never ends one by itself."""

TRL_FP32 = Rival("TRL fp32", "trl_fp32", 6, 10, memory=0.6)
TRL_DEFAULTS = Rival("TRL defaults", "trl_defaults", 4.5, 7)
LLAMA_FACTORY = Rival("LLaMA-Factory", "llama_factory", 5, 7.5, "llama-factory")
LLAMA_FACTORY_BF16 = Rival("LLaMA-Factory bf16", "llama_factory_bf16", environment="llama-factory")

CASES = (
    Case("sft-135M", "135M", (TRL_FP32, TRL_DEFAULTS, LLAMA_FACTORY, LLAMA_FACTORY_BF16), share=True),
    Case("sft-5M", "5M", (Rival("TRL fp32", "trl_fp32", 7, 9),), share=True),
    Case("qlora", "135M", (Rival("TRL NF4", "trl_nf4", 3, 5),), steps=8, strategy="qlora", share=True, quantized=True),
    Case(
        "dpo",
        "135M",
        (Rival("TRL DPOTrainer", "trl_dpo", 2, 4),),
        data="preferences",
        steps=8,
        strategy="dpo",
        learning_rate=1e-4,
        settings={"loss_type": "sigmoid", "beta": 0.1},  # TRL's defaults; ours has a second loss
        unit="steps",
    ),
    Case(
        "rlhf",
        "135M",
        (Rival("TRL RLOOTrainer", "trl_rloo", 2, 4),),
        data="choices",
        steps=6,
        strategy="rlhf",
        learning_rate=1e-4,
        settings={"num_generations": GENERATIONS, "max_completion_length": ANSWER_TOKENS, "kl_beta": 0.05},
        unit="steps",
        reward_model="135M-reward",
        batch=2,
        accumulation=1,
    ),
    Case(
        "summarization",
        "T5-small",
        (Rival("Seq2SeqTrainer", "seq2seq", 1.5, 3),),
        data="summaries",
        steps=16,
        task="summarization",
        unit="steps",
    ),
    Case(
        "qa",
        "BERT-medium",
        (Rival("Trainer", "spans", 1.5, 3),),
        data="questions",
        steps=16,
        task="extractive-question-answering",
        settings={"max_seq_length": 384},
        unit="steps",
    ),
    Case("start", STARTER, data="demo.jsonl", steps=2, first_step=(8, 4)),
    Case("decode-1", "135M-half", (Rival("generate, batch 1", "generate", 1.8, 4),), decode=1, batch=1),
    Case("decode-8", "135M-half", (Rival("generate, batch 8", "generate", 2, 4),), decode=8, batch=8),
)

_UNSLOTH = Rival("Unsloth", "unsloth_sft", 1.0, 1.2, "unsloth", memory=1.1)
_ON_GPU = (Rival("TRL defaults", "trl_defaults", 2.5, 3), _UNSLOTH)
GPU_CASES = (
    Case("sft-1B", "1B", _ON_GPU, share=True),
    Case("sft-3B", "3B", _ON_GPU, share=True),
    Case("sft-8B", "8B", _ON_GPU, share=True),
    Case("qlora-8B", "8B", (Rival("TRL NF4", "trl_nf4", 2.5, 3), _UNSLOTH), strategy="qlora", quantized=True),
)


def chosen(cases: Sequence[Case], only: Sequence[str]) -> list[Case]:
    """Those of these names, or of names that begin so; all without any. ValueError for a name that fits none."""
    found = [case for case in cases if not only or any(_fits(case, name) for name in only)]
    for name in only:
        if not any(_fits(case, name) for case in cases):
            raise ValueError(f"there is no '{name}': {', '.join(case.name for case in cases)}")
    return found


def _fits(case: Case, name: str) -> bool:
    return case.name == name or case.name.startswith(f"{name}-")
