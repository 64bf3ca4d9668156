"""A stage that is told what to do; most strategies have one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelforge.contracts.training import TrainingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback

    from modelforge.worker.trainers import OurTrainer


def _nothing(*_: object) -> dict[str, float]:
    return {}


@dataclass(frozen=True)
class Training:
    """One training of a run, with a trainer and checkpoints of its own."""

    config: TrainingConfig
    """The run's configuration, or what it comes to for this stage."""
    steps: int
    """Optimizer steps."""
    trainer: Callable[[dict[str, Any], list[TrainerCallback]], OurTrainer]
    """Makes the trainer, of the TrainingArguments that all strategies share and of callbacks."""
    finish: Callable[[OurTrainer], dict[str, float]] = _nothing
    """Keeps what was trained, and measures it."""
    between: Callable[[PreTrainedModel], dict[str, float]] | None = None
    """Measures more at every evaluation during the training."""
    speaks: bool = True
    """Whether what is trained gives answers: a reward model scores them."""
    name: str = ""
    """What is trained; empty where the run has one stage only."""
    step_cost: float = 1.0
    """About how many tokens go through the model in a step, to compare the time that stages take."""
    done: bool = False
    """Whether an earlier attempt finished it …"""
    known: Callable[[], dict[str, float]] = _nothing
    """… and what was measured then."""
