"""Measures a peer as ModelForge measures itself."""

from __future__ import annotations

import importlib.metadata
import resource
import sys
import time
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from benchmarks.speed.peers.order import Order, answer

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "llamafactory", "unsloth")


class Clock(TrainerCallback):
    """From the first step's start to the last step's end; tokens are counted by the trainer, padding left out."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._began: float | None = None
        self._ended = 0.0
        self._steps = 0
        self._tokens = 0
        self._first_step: float | None = None

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._began is None:
            self._began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self._ended = time.monotonic()
        self._steps, self._tokens = state.global_step, int(state.num_input_tokens_seen)
        if self._first_step is None:
            self._first_step = time.time() - self._order.requested_at

    def tell(self) -> None:
        """Print what was measured. SystemExit where no step was made."""
        if self._began is None or not self._steps:
            raise SystemExit("no step was made")
        seconds = self._ended - self._began
        answer(
            {
                "train_tokens": self._tokens,
                "train_seconds": seconds,
                "train_steps": self._steps,
                "tokens_per_second": self._tokens / seconds,
                "peak_memory_mb": peak_memory_mb(gpu=self._order.gpu),
                "time_to_first_step_s": self._first_step,
                "versions": versions(),
                "threads": torch.get_num_threads(),
            }
        )


def peak_memory_mb(*, gpu: bool) -> float:
    """The most memory that the process had, in units of 1 000 000 bytes: the GPU's that torch took, or main memory."""
    if gpu:
        return torch.cuda.max_memory_allocated() / 1e6
    # Linux counts in units of 1024 bytes, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def versions() -> dict[str, str]:
    """Of the libraries that are installed beside the peer."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
