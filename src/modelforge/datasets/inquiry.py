"""What the process that examines a dataset is asked, as JSON on its command line."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

from modelforge.contracts.base import Contract
from modelforge.contracts.examination import ExaminationRequest
from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import Strategy, Task, TrainingConfig
from modelforge.datasets.formats import misfit
from modelforge.errors import InvalidRequest
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS

_TASKS: dict[str, Task] = {"context_question_answer": "extractive-question-answering"}
_STRATEGIES: dict[str, Strategy] = {"prompt_chosen_rejected": "dpo"}


class Inquiry(Contract):
    """A file of rows, and what is to be looked for."""

    path: str
    shape: str
    """Which fields its rows have."""
    scratch: str | None = None
    """A folder for what is noted of each row; the system's own if left out."""
    near_duplicates: Literal["sample", "all"] = "sample"
    sample: int = 20_000
    against: str | None = None
    """Another file of rows."""
    against_shape: str | None = None
    eval_split: float = 0.2
    seed: int = 42
    model: ModelRef | None = None
    config: TrainingConfig | None = None
    """With the task, the strategy and the length by which rows are turned into tokens."""


def written_out(request: ExaminationRequest, name: str, shape: str) -> TrainingConfig | None:
    """How rows are turned into tokens; None where they are not to be. Raises InvalidRequest for what does not fit the
    dataset of this name."""
    if request.model_name is None:
        for field in ("max_seq_length", "task", "strategy"):
            if getattr(request, field) is not None:
                raise InvalidRequest(f"{field}: rows are measured in a model's tokens; add its model_name")
        return None
    task: Task = request.task or _TASKS.get(shape, "text-generation")
    strategy: Strategy = request.strategy or _STRATEGIES.get(shape, "sft")
    fault = misfit(shape, STRATEGIES.get(strategy).shapes(TASKS.get(task)))
    if fault is not None:
        raise InvalidRequest(f"dataset '{name}' {fault} for the task {task} and the strategy {strategy}")
    try:
        return TrainingConfig(
            task=task,
            strategy=strategy,
            model_name=request.model_name,
            dataset=name,
            max_seq_length=request.max_seq_length,
        )
    except ValidationError as error:  # a task and a strategy that never go together
        raise InvalidRequest(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
