"""What a run's model said while it learnt, from the run's own events."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from modelforge.contracts.events import SampleEvent, parse_event
from modelforge.contracts.job import JobSample

KIND = b'"kind":"sample"'
"""In every line that tells of a sample, and in few others: reading all of a long run's takes seconds."""


def samples_of(events: Path) -> list[JobSample]:
    """All samples in the file, by step; the later attempt's where two are of one step and prompt. Lines that cannot be
    read are left out, as the job's events say."""
    found: dict[tuple[int, str, bool], JobSample] = {}
    try:
        with events.open("rb") as lines:
            for line in lines:
                event = _sample(line) if KIND in line else None
                if event is not None:
                    key = (event.step, event.prompt, event.reward is None)
                    found[key] = JobSample.model_validate(event.model_dump())
    except FileNotFoundError:
        return []
    return sorted(found.values(), key=lambda sample: sample.step)


def _sample(line: bytes) -> SampleEvent | None:
    try:
        event = parse_event(line)
    except (ValidationError, ValueError):
        return None
    return event if isinstance(event, SampleEvent) else None
