"""What a worker says: one JSON object a line in ``events.jsonl``, numbered, appended, never changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from modelforge.contracts.base import Contract, UtcTime, now
from modelforge.contracts.job import Cause, JobState, MetricPoint

EVENT_SCHEMA = 1


def _measured(name: str) -> str:
    if name in _NOT_MEASURED:
        raise ValueError(f"is what a point is known by, not what was measured: {name}")
    return name


_NOT_MEASURED = [name for name, field in MetricPoint.model_fields.items() if field.is_required()] + ["epoch"]

# What a database and JSON can hold: a torn line may say anything, and may stop nobody from reading the next.
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, AfterValidator(lambda text: text.replace("\0", "\N{REPLACEMENT CHARACTER}"))]
Metric = Annotated[str, AfterValidator(_measured)]


class _Event(Contract):
    v: Count = EVENT_SCHEMA
    """Schema version of the line."""
    line: Count = 0
    """The worker's own number of the line, from 1, going on over attempts."""
    attempt: Count = 1
    at: UtcTime = Field(default_factory=now)


class StateEvent(_Event):
    """The run came into another state."""

    kind: Literal["state"] = "state"
    state: JobState
    message: Text | None = None
    error: Text | None = None
    cause: Cause | None = None
    total_steps: Count | None = None
    total_epochs: Count | None = None
    metrics: dict[str, Number] | None = None
    """What was measured, when the run was completed."""


class ProgressEvent(_Event):
    """A step was done, or the end of them came into sight."""

    kind: Literal["progress"] = "progress"
    step: Count
    total_steps: Count
    epoch: Number
    total_epochs: Count
    eta_seconds: Number | None = None


class MetricsEvent(_Event):
    """Something was measured at a step."""

    kind: Literal["metrics"] = "metrics"
    step: Count
    epoch: Number
    values: dict[Metric, Number]


class CheckpointEvent(_Event):
    """A checkpoint is whole and on the disk."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: Count
    path: str


class MessageEvent(_Event):
    """Something that its owner should know: rows left out, a choice made."""

    kind: Literal["message"] = "message"
    text: Text


class SampleEvent(_Event):
    """What the model says while it learns."""

    kind: Literal["sample"] = "sample"
    step: Count
    prompt: Text
    completion: Text
    expected: Text | None = None
    """What the row has for an answer, where the prompt is one of those that are asked again and again."""
    reward: Number | None = None
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
