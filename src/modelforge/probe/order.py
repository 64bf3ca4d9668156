"""What the server and a probe say to each other, over its pipes. A probe answers one question after the other."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from modelforge.contracts.base import Contract
from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig
from modelforge.pipe import Message, Refused, Report


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


What = Literal["preview", "tools"]


class Question(Message):
    """What is asked about an order."""

    id: int
    what: What
    order: Order


class Answer(Report):
    kind: Literal["answer"] = "answer"
    result: Any


REPORTS: TypeAdapter[Answer | Refused] = TypeAdapter(Annotated[Answer | Refused, Field(discriminator="kind")])
