"""How long examples and rows are, by a model's configuration. No torch: what is shown before a run asks, too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelforge.architectures import COUNTS_FROM_PADDING
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.memory import LENGTH_WITHIN_MEMORY, Shape

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

ROW_TOKENS = 1024
"""Tokens of a row, for a model of ``ROW_WEIGHTS`` or more: products with more rows are hardly faster on a CPU, and what
a row keeps for its gradient grows."""
ROW_WEIGHTS = 100_000_000
LONGEST_ROW = 4096
"""Tokens of a row of a model that is so small that the operations cost more than what they compute (a fifth of the
speed for 5 million weights; benchmarks/LOG.md): rows have as much arithmetic, up to here."""
GPU_ROW = 400e9
"""On a GPU, weights of a layer times tokens of a row: with fewer, it waits for what starts its operations."""
LONGEST_GPU_ROW = 32768


def longest_example_of(config: TrainingConfig, text: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """``max_seq_length``: what was asked for, or the model's own within memory; ``text`` is its text model's
    configuration. Raises InvalidRequest for more than the model takes."""
    limits = [_positions(text), tokenizer.model_max_length]
    # Tokenizers without a limit of their own state 1e30.
    longest = min((limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9), default=None)
    asked = config.max_seq_length
    if asked is not None and longest is not None and asked > longest:
        raise InvalidRequest(f"max_seq_length: {asked} is more than the {longest} tokens of '{config.model_name}'")
    within_memory = LENGTH_WITHIN_MEMORY[config.compute_specs or "low_end"]
    return asked or min(longest or within_memory, within_memory)


def _positions(text: PreTrainedConfig) -> int | None:
    """Tokens that the model has places for. RoBERTa's count begins behind the padding token's."""
    limit = getattr(text, "max_position_embeddings", None)
    if not isinstance(limit, int):
        return None
    return limit - text.pad_token_id - 1 if text.model_type in COUNTS_FROM_PADDING else limit


def rows_a_step(config: TrainingConfig) -> int:
    """Examples of one optimizer step."""
    return (config.per_device_train_batch_size or 1) * (config.gradient_accumulation_steps or 1)


def total_steps(config: TrainingConfig, rows: int) -> int:
    """Optimizer steps of the run, counted as transformers does."""
    if config.max_steps > 0:
        return config.max_steps
    batches = math.ceil(rows / (config.per_device_train_batch_size or 1))
    return config.num_train_epochs * max(1, math.ceil(batches / (config.gradient_accumulation_steps or 1)))


def row_tokens(described: Mapping[str, Any], *, long: bool) -> int:
    """Tokens that a row of the engine is best to have, by the model's ``config.json``; ``long`` says whether long rows
    cost no more than short ones, as by flash attention on a GPU."""
    shape = Shape.of(described)
    if shape is None:
        return ROW_TOKENS
    if long:
        best, longest = int(GPU_ROW * shape.layers // shape.within), LONGEST_GPU_ROW
    else:
        best, longest = ROW_TOKENS * ROW_WEIGHTS // shape.weights, LONGEST_ROW
    return min(longest, max(ROW_TOKENS, best))
