"""What a strategy is: its own options and defaults, and the stages of training that it goes through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from modelforge.contracts.training import TrainingConfig
from modelforge.strategies.stage import Training
from modelforge.tasks.base import Example, Head, Row, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from datasets import Dataset
    from modelforge.contracts.job import RunSpec
    from modelforge.worker.order import Draw


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
    measured: Dataset
    """Rows to measure on at the end: those held out, or some of the others where none are."""
    rows: Sequence[Row]
    """Some of them, at most ``max_eval_samples``, as they stand in the dataset."""
    load_start: Callable[[], PreTrainedModel]
    """Loads what the run started from once more."""
    check_stop: Callable[[], None]
    """Raises when the run is to end."""
    tell: Callable[[str], None]
    """Adds a message to the run's events."""
    sample: Callable[[int, str, str, float | None], None]
    """Shows the run's owner what the model says: the step, a prompt, the answer, and its reward if it has one."""
    draw: Draw | None = None
    """Which rows of ``train`` an epoch learns from; None for all."""
    judge: Any = None
    """The reward model, once it is loaded."""
    _beside: PreTrainedModel | None = None

    @property
    def rows_an_epoch(self) -> int:
        """Examples that an epoch learns from."""
        return len(self.train) if self.draw is None else len(self.draw)

    @property
    def config(self) -> TrainingConfig:
        return self.spec.config

    def beside(self) -> PreTrainedModel:
        """What the run started from, with an adapter of its own that does nothing yet: a second model, for a run that
        tunes all weights of the first. Loaded once."""
        if self._beside is None:
            from modelforge.providers import adapter  # noqa: PLC0415

            config = self.config.model_copy(update={"init_lora_weights": "default", "use_dora": False})
            self._beside = adapter.attach(self.load_start(), config, self.head)
        return self._beside


class Strategy(Protocol):
    """The seam of a strategy."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str:
        """What it is and when to use it, in a sentence, for people who choose."""

    @property
    def options(self) -> frozenset[str]:
        """Fields of the training configuration that not every strategy takes, and this one does."""

    @property
    def engine(self) -> bool:
        """Whether it trains causal models by the engine."""

    @property
    def packs(self) -> bool:
        """Whether ``packing`` is the user's to choose: the engine lays all rows end to end."""

    @property
    def keeps(self) -> Sequence[str]:
        """Folders of the run that go with the finished model."""

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

    def stages(self, run: Run) -> Sequence[Training]:
        """What is trained, in order."""

    def measure(self, run: Run, model: PreTrainedModel) -> dict[str, float]:
        """Its own metrics of a model on the held-out rows, beside the trainer's loss, and ``final_loss`` where that is
        another loss than the trainer's. Called with gradients off and the model in evaluation mode, for the tuned model
        and for what it started from."""
