"""What a worker says: one JSON object a line in ``events.jsonl``, numbered, appended, never changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from modelforge.contracts.base import Contract, UtcTime, now
from modelforge.contracts.job import Cause, JobState

EVENT_SCHEMA = 1


class _Event(Contract):
    v: int = EVENT_SCHEMA
    """Schema version of the line."""
    line: int = 0
    """The worker's own number of the line, from 1, going on over attempts."""
    attempt: int = 1
    at: UtcTime = Field(default_factory=now)


class StateEvent(_Event):
    """The run came into another state."""

    kind: Literal["state"] = "state"
    state: JobState
    message: str | None = None
    error: str | None = None
    cause: Cause | None = None
    total_steps: int | None = None
    total_epochs: int | None = None
    metrics: dict[str, float] | None = None
    """What was measured, when the run was completed."""


class ProgressEvent(_Event):
    """A step was done, or the end of them came into sight."""

    kind: Literal["progress"] = "progress"
    step: int
    total_steps: int
    epoch: float
    total_epochs: int
    eta_seconds: float | None = None


class MetricsEvent(_Event):
    """Something was measured at a step."""

    kind: Literal["metrics"] = "metrics"
    step: int
    epoch: float
    values: dict[str, float]


class CheckpointEvent(_Event):
    """A checkpoint is whole and on the disk."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    path: str


class MessageEvent(_Event):
    """Something that its owner should know: rows left out, a choice made."""

    kind: Literal["message"] = "message"
    text: str


class SampleEvent(_Event):
    """What the model says while it learns."""

    kind: Literal["sample"] = "sample"
    step: int
    prompt: str
    completion: str
    reward: float | None = None
    """What the reward model says to that."""


Event = Annotated[
    StateEvent | ProgressEvent | MetricsEvent | CheckpointEvent | MessageEvent | SampleEvent,
    Field(discriminator="kind"),
]
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event:
    """One line of the file. Raises ValueError for anything else, a newer schema included."""
    event = EVENTS.validate_json(line)
    if event.v > EVENT_SCHEMA:
        raise ValueError(f"event schema {event.v} is newer than {EVENT_SCHEMA}")
    return event
