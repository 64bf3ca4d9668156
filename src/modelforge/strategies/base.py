"""What a strategy is: its own options and defaults, and the stages of training that it goes through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import Example, Head, Row, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback

    from datasets import Dataset
    from modelforge.contracts.job import RunSpec


@dataclass
class Run:
    """What the stages of a run share."""

    spec: RunSpec
    folder: Path
    """The run's folder."""
    task: Task
    head: Head
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    train: Dataset
    held_out: Dataset | None
    held_out_rows: Sequence[Row]
    """Some of the held-out rows as they stand in the dataset; training rows where none is held out."""
    load_base: Callable[[], PreTrainedModel]
    """Loads what the run started from once more."""
    check_stop: Callable[[], None]
    """Raises when the run is to end."""
    tell: Callable[[str], None]
    """Tells the run's owner something."""
    sample: Callable[[int, str, str, float | None], None]
    """Shows the run's owner what the model says: the step, a prompt, the answer, and its reward if it has one."""

    @property
    def config(self) -> TrainingConfig:
        return self.spec.config


class Stage(Protocol):
    """One training of a run, with a trainer and checkpoints of its own."""

    @property
    def name(self) -> str:
        """What is trained; empty where the run has one stage only."""

    @property
    def steps(self) -> int:
        """Optimizer steps."""

    @property
    def step_cost(self) -> float:
        """About how many tokens go through the model in a step, to compare the time of stages."""

    @property
    def done(self) -> bool:
        """Whether an earlier attempt finished it."""

    def trainer(self, arguments: dict[str, Any], callbacks: list[TrainerCallback]) -> Trainer:
        """A trainer over the run's rows; ``arguments`` are the TrainingArguments that all strategies share, for this
        stage's folder and steps."""

    def finish(self, trainer: Trainer) -> dict[str, float]:
        """Keep what was trained; what is worth knowing of it."""


class Strategy(Protocol):
    """The seam of a strategy."""

    @property
    def name(self) -> str: ...
    @property
    def options(self) -> frozenset[str]:
        """Fields of the training configuration that not every strategy takes, and this one does."""

    def shapes(self, task: Task) -> Sequence[str]:
        """The shapes of dataset that it learns from."""

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        """Values for fields that the request left at None."""

    def check(self, config: TrainingConfig) -> None:
        """Raises InvalidRequest for what cannot work, before anything is queued."""

    def encode(
        self, task: Task, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head
    ) -> list[Example]:
        """A row in numbers; none where it has no room for any of its answer."""

    def stages(self, run: Run) -> Sequence[Stage]:
        """What is trained, in order."""

    def measure(self, run: Run, model: PreTrainedModel) -> dict[str, float]:
        """Its own metrics of a model on the held-out rows, beside the loss on them. Called with gradients off and the
        model in evaluation mode, for the tuned model and for what it started from."""
