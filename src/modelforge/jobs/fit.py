"""Whether a run fits into the memory of this machine, and what of the same would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from modelforge.contracts.job import DatasetRef
from modelforge.contracts.preflight import FittingChange, MemoryEstimate, MemoryFit
from modelforge.contracts.training import TrainingConfig
from modelforge.engine.families import FAMILIES
from modelforge.errors import InvalidRequest
from modelforge.hardware import Hardware, quantization_obstacle
from modelforge.hub.folder import context_of
from modelforge.jobs.data import longest_line
from modelforge.memory import LENGTH_WITHIN_MEMORY, MB, Batch, estimate
from modelforge.strategies.base import Strategy
from modelforge.tasks.base import Head
from modelforge.worker.lengths import rows_a_step

TEMPLATE_TOKENS = 64
"""Around a row's text, at most, about."""


@dataclass(frozen=True)
class Scales:
    """Weighs trainings of one model on one machine."""

    described: Mapping[str, Any]
    """The base model's ``config.json``."""
    head: Head
    strategy: Strategy
    hardware: Hardware

    def estimate(self, config: TrainingConfig, longest: int) -> MemoryEstimate | None:
        """With examples of up to ``longest`` tokens; None where the model's configuration does not tell its size."""
        engine = (
            self.strategy.engine
            and self.head is Head.CAUSAL
            and config.use_lora
            and self.described.get("model_type") in FAMILIES
            and (config.packing is not False or not self.strategy.packs)
        )
        batch = Batch.of(config, longest, longest if engine else None)
        return estimate(self.described, config, batch, device=self.hardware.device, engine=engine, head=self.head)


def weigh(config: TrainingConfig, scales: Scales, files: Sequence[DatasetRef] = ()) -> MemoryFit | None:
    """The resolved run beside what this machine has. Without ``files``, examples are taken for as long as they may be.
    None where nothing can be told of the model."""
    longest = config.max_seq_length or min(
        context_of(scales.described) or LENGTH_WITHIN_MEMORY["high_end"],
        LENGTH_WITHIN_MEMORY[config.compute_specs or "low_end"],
    )
    has, free = memory_of(scales.hardware), free_of(scales.hardware)
    wanted = scales.estimate(config, longest)
    if wanted is None:
        return None
    if wanted.total > min(has, free) and files:
        # The limit may be far from what the rows are: none has more tokens than bytes.
        longest = min(longest, max(longest_line(Path(file.path)) for file in files) + TEMPLATE_TOKENS)
        wanted = scales.estimate(config, longest)
    needs = scales.estimate(config.model_copy(update=_smallest(config)), longest)
    assert wanted is not None and needs is not None
    fits, fits_now = needs.total <= has, wanted.total <= min(has, free)
    room = min(has, free) if fits else has
    return MemoryFit(
        fits=fits,
        fits_now=fits_now,
        needs_mb=round(wanted.total, 1),
        least_mb=round(needs.total, 1),
        has_mb=round(has, 1),
        free_mb=round(free, 1),
        longest_tokens=longest,
        parts=wanted,
        least_parts=needs,
        changes=[] if fits_now else list(_changes(config, scales, longest, room)),
    )


def check_memory(config: TrainingConfig, found: MemoryFit) -> list[str]:
    """What is worth knowing of the memory that the run will take. Raises InvalidRequest where this machine has less
    than the run needs with the smallest settings."""
    needs, wanted, free = found.least_parts, found.parts, found.free_mb
    if not found.fits:
        fitting = ", or ".join(change.about for change in found.changes)
        advice = f"What would fit: {fitting}." if fitting else "Start from a smaller model, or on a larger machine."
        raise InvalidRequest(
            f"model_name: training '{config.model_name}' needs at least {needs.told()}. This machine has "
            f"{found.has_mb / 1e3:.1f} GB. {advice}"
        )
    if needs.total > free:
        return [
            f"This run needs at least {needs.total / 1e3:.1f} GB of memory, and {free / 1e3:.1f} GB are free now: "
            "close other programs, or the system may end it"
        ]
    if not found.fits_now:
        return [
            f"With examples of {found.longest_tokens} tokens this run needs {wanted.told()}. {free / 1e3:.1f} GB are "
            "free now: it fits with a smaller batch, a smaller max_seq_length, or gradient_checkpointing, which takes "
            "a third longer"
        ]
    return []


def _smallest(config: TrainingConfig) -> dict[str, Any]:
    """Changes with which the run takes the least memory; none of them changes what an optimizer step learns from, but
    for the number of answers that are compared."""
    found: dict[str, Any] = {}
    if not config.gradient_checkpointing:
        found["gradient_checkpointing"] = True
    if (config.per_device_train_batch_size or 1) > 1:
        found |= {"per_device_train_batch_size": 1, "gradient_accumulation_steps": rows_a_step(config)}
    if config.strategy == "rlhf" and (config.num_generations or 0) > 2:
        found["num_generations"] = 2
    return found


def _changes(config: TrainingConfig, scales: Scales, longest: int, room: float) -> Iterator[FittingChange]:
    """What of the same takes no more than ``room``: each by itself where that is enough, else with the smallest
    settings."""
    least = _smallest(config)

    def fitting(about: str, length: int = longest, **changes: Any) -> FittingChange | None:
        for more in ({}, least):
            made = {**changes, **{name: value for name, value in more.items() if name not in changes}}
            found = scales.estimate(config.model_copy(update=made), length)
            if found is not None and found.total <= room:
                return FittingChange(changes=made, about=about, needs_mb=round(found.total, 1))
        return None

    def shorter() -> FittingChange | None:
        lengths = (length for length in (2**power for power in range(20, 5, -1)) if length < longest)
        made = (fitting(f"max_seq_length {length}", length, max_seq_length=length) for length in lengths)
        return next((change for change in made if change is not None), None)

    alone = scales.estimate(config.model_copy(update=least), longest)
    if least and alone is not None and alone.total <= room:
        names = ", ".join(least)
        yield FittingChange(changes=least, about=f"the smallest settings ({names})", needs_mb=round(alone.total, 1))
    found = [shorter()]
    if not config.use_lora:
        found.append(fitting("use_lora true", use_lora=True))
    if not (config.use_4bit or config.use_8bit) and quantization_obstacle(scales.hardware.device) is None:
        if config.strategy == "sft":
            whole = {} if config.use_lora else {"use_lora": True}
            found.append(fitting("strategy 'qlora'", strategy="qlora", use_4bit=True, **whole))
        else:
            found.append(fitting("use_4bit true with use_lora", use_lora=True, use_4bit=True))
    yield from (change for change in found if change is not None)


def memory_of(hardware: Hardware) -> float:
    """What the device that trains has, in units of 1 000 000 bytes."""
    return 1e3 * (hardware.gpus[0].memory_gb if hardware.device == "cuda" else hardware.memory_gb)


def free_of(hardware: Hardware) -> float:
    """Of that, what nobody uses now; of a GPU all is taken for free, which the worker finds out about."""
    return memory_of(hardware) if hardware.device == "cuda" else psutil.virtual_memory().available / MB
