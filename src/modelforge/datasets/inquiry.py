"""What the process that examines a dataset is asked, as JSON on its command line."""

from __future__ import annotations

from typing import Literal

from modelforge.contracts.base import Contract
from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig


class Inquiry(Contract):
    """A file of rows, and what is to be looked for."""

    path: str
    shape: str
    """Which fields its rows have."""
    scratch: str
    """A folder for what is noted of each row."""
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
