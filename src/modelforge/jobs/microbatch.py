"""What a run does with less of when memory ran out: the examples that are computed together. An optimizer step learns
from the same ones, so that the run becomes what it would have become."""

from __future__ import annotations

from typing import Any

from modelforge.contracts.job import Cause, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.memory import SHORTEST_ROW, WAITING

OUT_OF_MEMORY = frozenset({Cause.OOM_GPU, Cause.OOM_HOST})


def smaller(spec: RunSpec) -> RunSpec | None:
    """The spec with half the micro-batch. None where there is nothing smaller, where the request does not want it, or
    where memory ran out before a batch was computed.

    The engine lays rows end to end, so that the row is its micro-batch; pairs and answers wait for one loss however
    they are laid, and whoever pads takes ``per_device_train_batch_size`` of them at once.
    """
    config = spec.config
    if not (config.auto_batch and spec.frozen):
        return None
    changes: dict[str, Any] = {"per_device_eval_batch_size": max(1, (config.per_device_eval_batch_size or 1) // 2)}
    row_tokens = spec.row_tokens
    if row_tokens is not None and config.strategy not in WAITING:
        row_tokens = min(row_tokens, max(row_tokens // 2, spec.longest_tokens or 0, SHORTEST_ROW))
    else:
        changes |= _halved(config)
    if row_tokens == spec.row_tokens and all(getattr(config, name) == value for name, value in changes.items()):
        return None
    # What it takes now was not estimated.
    own = {"config": config.model_copy(update=changes), "row_tokens": row_tokens, "memory_estimate_mb": None}
    return spec.model_copy(update=own)


def _halved(config: TrainingConfig) -> dict[str, int]:
    """Half the examples at once, or as many fewer as an optimizer step can be cut into."""
    size = config.per_device_train_batch_size or 1
    whole = size * (config.gradient_accumulation_steps or 1)
    fewer = next((number for number in range(size // 2, 0, -1) if whole % number == 0), size)
    return {"per_device_train_batch_size": fewer, "gradient_accumulation_steps": whole // fewer}


def difference(before: RunSpec, after: RunSpec) -> str:
    """What was made smaller, in words."""
    told = [
        f"{name} {getattr(after.config, name)} instead of {getattr(before.config, name)}"
        for name in ("per_device_train_batch_size", "gradient_accumulation_steps", "per_device_eval_batch_size")
        if getattr(after.config, name) != getattr(before.config, name)
    ]
    if after.row_tokens != before.row_tokens:
        told.insert(0, f"rows of {after.row_tokens} tokens instead of {before.row_tokens}")
    return ", ".join(told)
