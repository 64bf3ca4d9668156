"""What is chosen by looking at the model and at the length of the run; frozen in the spec before the first step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow.compute as pc
import torch

from modelforge.architectures import require_exact_packing
from modelforge.contracts.job import RunSpec
from modelforge.contracts.preflight import MemoryEstimate
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.memory import MB, SHORTEST_ROW, WAITING, Batch, estimate
from modelforge.tasks.base import Head
from modelforge.worker.lengths import longest_example_of, row_tokens, rows_a_step, total_steps
from modelforge.worker.order import Draw, EpochOrder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from datasets import Dataset

POINTS = 250
"""Points of the loss curve that a run has, about."""
CHECKPOINTS = 10
"""Checkpoints that a run makes by steps, about; more come by time."""


def model_limits(
    config: TrainingConfig, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, head: Head
) -> dict[str, Any]:
    """``max_seq_length`` and ``packing``. Raises InvalidRequest where the model cannot do what was asked."""
    text = model.config.get_text_config()
    longest = longest_example_of(config, text, tokenizer)
    if config.packing and head is not Head.CAUSAL:
        raise InvalidRequest(
            f"packing: only causal models are packed, and '{config.model_name}' is used as a {head} one"
        )
    if config.packing:
        require_exact_packing(text.to_dict(), config.model_name)
    return {"max_seq_length": longest}


def longest_answer(rows: Dataset) -> int:
    """Tokens of the longest answer in pairs, the end token included."""
    longest = 0
    for name in ("chosen_ids", "rejected_ids"):
        longest = max(longest, int(pc.max(pc.list_value_length(rows.data.column(name))).as_py()))
    return longest


def longest_example(rows: Dataset) -> int:
    """Tokens of the longest example that a padded batch is made of, the summary's included."""
    read = pc.list_value_length(rows.data.column("input_ids"))
    written = pc.list_value_length(rows.data.column("labels")) if "labels" in rows.column_names else 0
    return int(pc.max(pc.add(read, written)).as_py())


def answer_limit(config: TrainingConfig, rows: Dataset) -> dict[str, Any]:
    """``max_completion_length`` for rlhf: below the real length of the answers, training collapses."""
    if config.strategy != "rlhf" or config.max_completion_length is not None:
        return {}
    assert config.max_seq_length is not None
    longest = longest_answer(rows)
    return {"max_completion_length": max(1, min(longest + max(8, longest // 4), config.max_seq_length))}


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


GPU_ACTIVATIONS = 0.1
"""On a GPU, the share of all else that the engine's activations may take without being computed twice. That costs a
third of the arithmetic at most, and next to no time where starting the operations is what takes it (benchmarks/LOG.md);
a GPU's memory is what its owner has least of."""
WITHIN = 0.9
"""Share of the free memory that an estimate may take up: it can be some per cent too low (benchmarks/LOG.md)."""


@dataclass(frozen=True)
class Way:
    """How a training keeps within memory."""

    gradient_checkpointing: bool
    row_tokens: int | None
    """Of the engine's rows; None on the plain path."""


def way_that_fits(
    spec: RunSpec, described: Mapping[str, Any], head: Head, batch: Batch, *, engine: bool, long: bool, free: float
) -> Way:
    """The best way that fits into ``free`` bytes, or else the one that takes the least; no document is cut for it.

    On a CPU it is the fastest, and a shorter row costs less time than computing activations twice, so it comes first.
    On a GPU it costs more, for what starts the operations takes longer than they do; and memory counts there, too (see
    ``GPU_ACTIVATIONS``). ``long`` says whether long rows cost no more than short ones, as by flash attention.
    """
    asked = spec.config.gradient_checkpointing
    twice = [False, True] if asked is None else [asked]
    rows: list[int | None] = [None]
    if engine:
        rows = _rows(row_tokens(described, long=long), batch.longest)
    if spec.config.strategy in WAITING:  # shorter rows take no less
        rows = rows[:1]
    on_gpu = engine and spec.device == "cuda"
    if on_gpu:
        ways = [Way(both, row) for row in rows for both in twice]
    else:
        ways = [Way(both, row) for both in twice for row in rows]
    for way in ways:
        found = needs(spec, described, head, batch, way)
        if found is None:
            return way
        fits = found.total * MB <= WITHIN * free
        small = found.activations <= GPU_ACTIVATIONS * (found.total - found.activations)
        if fits and (small or not on_gpu or way.gradient_checkpointing or asked is not None):
            return way
    return ways[-1]


def _rows(best: int, longest: int) -> list[int | None]:
    """Tokens of a row, from what is best to what takes the least."""
    found = [max(best, longest)]
    while found[-1] > max(longest, SHORTEST_ROW):
        found.append(max(found[-1] // 2, longest, SHORTEST_ROW))
    return [*found]


def needs(spec: RunSpec, described: Mapping[str, Any], head: Head, batch: Batch, way: Way) -> MemoryEstimate | None:
    """What the training takes that way; None where the model's configuration does not tell its size."""
    if way.row_tokens is not None and spec.config.strategy not in WAITING:
        batch = replace(batch, tokens=min(batch.tokens, way.row_tokens))
    return estimate(
        described,
        spec.config.model_copy(update={"gradient_checkpointing": way.gradient_checkpointing}),
        batch,
        device=spec.device,
        engine=way.row_tokens is not None,
        head=head,
    )


def largest_batch(
    config: TrainingConfig,
    rows: Dataset,
    lengths: Sequence[int],
    head: Head,
    *,
    engine: bool,
    draw: Draw | None = None,
) -> Batch:
    """What lies in memory together, at most, of these rows; on the engine's path before it is cut into rows."""
    if config.strategy == "dpo":
        asked, chosen, rejected = (_lengths(rows, f"{name}_ids") for name in ("prompt", "chosen", "rejected"))
        longest = max(first + max(both) for first, *both in zip(asked, chosen, rejected, strict=True))
        pairs = [first + whole for first, whole in zip(asked, lengths, strict=True)]  # the prompt stands before both
        size = config.per_device_train_batch_size or 1
        return Batch(_most_together(config, pairs, size, draw), longest) if engine else Batch.of(config, longest)
    if config.strategy == "rlhf":
        return Batch.of(config, max(_lengths(rows, "prompt_ids")) + (config.max_completion_length or 0))
    if head is Head.SEQ2SEQ:
        written = max(_lengths(rows, "labels")) * (config.per_device_train_batch_size or 1)
        return replace(Batch.of(config, max(lengths)), answers=written)
    if engine:
        return Batch(_most_together(config, lengths, rows_a_step(config), draw), max(lengths))
    return Batch.of(config, max(lengths))


def _lengths(rows: Dataset, column: str) -> list[int]:
    found: list[int] = pc.list_value_length(rows.data.column(column)).to_pylist()
    return found


def _most_together(config: TrainingConfig, lengths: Sequence[int], size: int, draw: Draw | None) -> int:
    """Tokens of the largest batch of ``size`` rows, as they are drawn in the first epoch."""
    order = list(EpochOrder(lengths, rows_a_step(config), config.seed, group_by_length=False, draw=draw))
    return max(sum(lengths[at] for at in order[start : start + size]) for start in range(0, len(order), size))


def free_memory(device: str) -> float:
    """Bytes that this process has or could have, where the training is to be."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved())
    return float(psutil.virtual_memory().available + psutil.Process().memory_info().rss)
