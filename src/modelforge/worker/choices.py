"""What is chosen by looking at the model and at the length of the run; frozen in the spec before the first step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow.compute as pc
import torch

from modelforge.architectures import COUNTS_FROM_PADDING, require_exact_packing
from modelforge.contracts.job import RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.tasks.base import Head

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from datasets import Dataset

LENGTH_WITHIN_MEMORY = {"low_end": 1024, "mid_range": 2048, "high_end": 4096}
"""Tokens of the longest example by default, where the model itself could take more."""

POINTS = 250
"""Points of the loss curve that a run has, about."""
CHECKPOINTS = 10
"""Checkpoints that a run makes by steps, about; more come by time."""


def model_limits(
    config: TrainingConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, head: Head
) -> dict[str, Any]:
    """``max_seq_length`` and ``packing``. Raises InvalidRequest where the model cannot do what was asked."""
    text = model.config.get_text_config()
    limits = [_positions(text), tokenizer.model_max_length]
    # Tokenizers without a limit of their own state 1e30.
    longest = min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9), default=None)
    asked = config.max_seq_length
    if asked is not None and longest is not None and asked > longest:
        raise InvalidRequest(f"max_seq_length: {asked} is more than the {longest} tokens of '{config.model_name}'")
    if config.packing and head is not Head.CAUSAL:
        raise InvalidRequest(
            f"packing: only causal models are packed, and '{config.model_name}' is used as a {head} one"
        )
    if config.packing:
        require_exact_packing(text.to_dict(), config.model_name)
    within_memory = LENGTH_WITHIN_MEMORY[config.compute_specs or "low_end"]
    return {"max_seq_length": asked or min(longest or within_memory, within_memory)}


def _positions(text: PreTrainedConfig) -> int | None:
    """Tokens that the model has places for. RoBERTa's count begins behind the padding token's."""
    limit = getattr(text, "max_position_embeddings", None)
    if not isinstance(limit, int):
        return None
    return limit - text.pad_token_id - 1 if text.model_type in COUNTS_FROM_PADDING else limit


def longest_answer(rows: Dataset) -> int:
    """Tokens of the longest answer in pairs, the end token included."""
    longest = 0
    for name in ("chosen_ids", "rejected_ids"):
        longest = max(longest, int(pc.max(pc.list_value_length(rows.data.column(name))).as_py()))
    return longest


def answer_limit(config: TrainingConfig, rows: Dataset) -> dict[str, Any]:
    """``max_completion_length`` for rlhf: below the real length of the answers, training collapses."""
    if config.strategy != "rlhf" or config.max_completion_length is not None:
        return {}
    assert config.max_seq_length is not None
    longest = longest_answer(rows)
    return {"max_completion_length": max(1, min(longest + max(8, longest // 4), config.max_seq_length))}


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
    eval_steps = config.eval_steps or math.ceil(total / evaluations)
    return {
        "logging_steps": config.logging_steps or max(1, total // POINTS),
        "eval_steps": eval_steps,
        # Where the best checkpoint is to be kept, there must be one at each evaluation.
        "save_steps": eval_steps
        if config.load_best_model_at_end
        else config.save_steps or math.ceil(total / CHECKPOINTS),
    }


def rows_a_step(config: TrainingConfig) -> int:
    """Examples of one optimizer step."""
    return (config.per_device_train_batch_size or 1) * (config.gradient_accumulation_steps or 1)


ROW_TOKENS = 1024
"""Tokens of a row: products with more rows are hardly faster on a CPU, and what a row keeps for its gradient grows."""


def training_tokens(config: TrainingConfig, lengths: Sequence[int]) -> float:
    """Tokens that a training goes through, about, by the lengths of its examples."""
    rows = len(lengths)
    return sum(lengths) / rows * total_steps(config, rows) * min(rows, rows_a_step(config))


def needs_checkpointing(spec: RunSpec, model: PreTrainedModel, longest_row: int) -> bool:
    """Whether the activations of one batch of the longest rows would not fit beside what is already in memory.

    Per layer and token about 34 hidden sizes of two bytes each without flash attention's savings (Korthikanti et al.,
    2022, eq. 2), and the logits with their gradient in float32.
    """
    text = model.config.get_text_config()
    tokens = (spec.config.per_device_train_batch_size or 1) * longest_row
    width = 2 if spec.config.bf16 or spec.config.fp16 else 4
    # Pairs are two rows each; of rlhf's answers every micro-batch holds all of its prompts'.
    tokens *= {"dpo": 2, "rlhf": spec.config.num_generations or 1}.get(spec.config.strategy, 1)
    activations = 34 * width * tokens * text.hidden_size * text.num_hidden_layers
    logits = 8 * tokens * text.vocab_size
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    # On a GPU the weights are still to be moved there.
    free = torch.cuda.mem_get_info()[0] - weights if spec.device == "cuda" else psutil.virtual_memory().available
    return bool(activations + logits > 0.8 * free)
