"""What is chosen by looking at the model and at the length of the run; frozen in the spec before the first step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import psutil
import torch

from modelforge.contracts.job import RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LENGTH_WITHIN_MEMORY = {"low_end": 1024, "mid_range": 2048, "high_end": 4096}
"""Tokens of the longest example by default, where the model itself could take more."""

EXACT_PACKING = frozenset(
    """llama qwen2 qwen3 mistral gemma gemma3_text phi phi3 gpt_neox gpt2 mixtral smollm3 olmo2 granite stablelm
    cohere""".split()  # noqa: SIM905 - a list of sixteen lines says no more
)
"""Model types that keep documents in one row apart by their position ids alone: logits equal to separate passes within
1.5e-6, measured with transformers 5.23 on SDPA. Others (OPT, BLOOM, Falcon) let them see each other."""

POINTS = 250
"""Points of the loss curve that a run has, about."""
CHECKPOINTS = 10
"""Checkpoints that a run makes by steps, about; more come by time."""


def model_limits(config: TrainingConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """``max_seq_length`` and ``packing``. Raises InvalidRequest where the model cannot do what was asked."""
    text = model.config.get_text_config()
    limits = [getattr(text, "max_position_embeddings", None), tokenizer.model_max_length]
    # Tokenizers without a limit of their own state 1e30.
    longest = min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9), default=None)
    asked = config.max_seq_length
    if asked is not None and longest is not None and asked > longest:
        raise InvalidRequest(f"max_seq_length: {asked} is more than the {longest} tokens of '{config.model_name}'")
    if config.packing and text.model_type not in EXACT_PACKING:
        raise InvalidRequest(
            f"packing: rows of a {text.model_type} model would see each other when they are laid end to end"
        )
    within_memory = LENGTH_WITHIN_MEMORY[config.compute_specs or "low_end"]
    return {
        "max_seq_length": asked or min(longest or within_memory, within_memory),
        "packing": bool(config.packing),
    }


def total_steps(config: TrainingConfig, rows: int) -> int:
    """Optimizer steps of the run, counted as transformers does."""
    if config.max_steps > 0:
        return config.max_steps
    batches = math.ceil(rows / (config.per_device_train_batch_size or 1))
    return config.num_train_epochs * max(1, math.ceil(batches / (config.gradient_accumulation_steps or 1)))


def intervals(config: TrainingConfig, rows: int) -> dict[str, int]:
    """``logging_steps``, ``eval_steps``, ``save_steps`` by the run's length."""
    total = total_steps(config, rows)
    # Evaluating the default fifth of the rows costs about a fifteenth of an epoch's training.
    evaluations = min(10, max(2, math.ceil(total * rows_a_step(config) / max(1, rows))))
    return {
        "logging_steps": config.logging_steps or max(1, total // POINTS),
        "eval_steps": config.eval_steps or math.ceil(total / evaluations),
        "save_steps": config.save_steps or math.ceil(total / CHECKPOINTS),
    }


def rows_a_step(config: TrainingConfig) -> int:
    """Examples of one optimizer step."""
    return (config.per_device_train_batch_size or 1) * (config.gradient_accumulation_steps or 1)


def needs_checkpointing(spec: RunSpec, model: PreTrainedModel, longest_row: int) -> bool:
    """Whether the activations of one batch of the longest rows would not fit beside what is already in memory.

    Per layer and token about 34 hidden sizes of two bytes each without flash attention's savings (Korthikanti et al.,
    2022, eq. 2), and the logits with their gradient in float32.
    """
    text = model.config.get_text_config()
    tokens = (spec.config.per_device_train_batch_size or 1) * longest_row
    width = 2 if spec.config.bf16 or spec.config.fp16 else 4
    activations = 34 * width * tokens * text.hidden_size * text.num_hidden_layers
    logits = 8 * tokens * text.vocab_size
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    # On a GPU the weights are still to be moved there.
    free = torch.cuda.mem_get_info()[0] - weights if spec.device == "cuda" else psutil.virtual_memory().available
    return bool(activations + logits > 0.8 * free)
