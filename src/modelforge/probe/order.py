"""What a probe is asked, as JSON on its command line."""

from __future__ import annotations

from pydantic import Field

from modelforge.contracts.base import Contract
from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig


class Order(Contract):
    """A file of rows, and the training that is thought of."""

    path: str
    shape: str
    """Which fields its rows have."""
    config: TrainingConfig
    """With every default filled in that can be without the model."""
    model: ModelRef
    long_rows: bool = False
    """Whether long packed rows cost no more than short ones on this machine."""
    rows: list[int] = Field(default_factory=list)
    """Lines that are asked about, from 1."""
