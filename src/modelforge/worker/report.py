"""The worker's voice: appends to ``events.jsonl``, and hears whether it is to stop."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from modelforge.contracts.events import (
    CheckpointEvent,
    Event,
    MessageEvent,
    MetricsEvent,
    ProgressEvent,
    SampleEvent,
    StateEvent,
)
from modelforge.contracts.job import Cause, JobState


class StopRequested(Exception):
    """The run is to end now; what is worth keeping has been saved."""


class Report:
    """Numbered lines, flushed one by one; changes of state and checkpoints are on the disk when the call returns."""

    def __init__(self, run_dir: Path, attempt: int) -> None:
        self.attempt = attempt
        self._stop_file = run_dir / "stop"
        self._signal: str | None = None
        path = run_dir / "events.jsonl"
        text = path.read_bytes() if path.exists() else b""
        self._line = text.count(b"\n")
        self._file = path.open("ab")
        if text and not text.endswith(b"\n"):
            # An earlier attempt was killed in the middle of a line: end it, so that ours are not lost with it.
            self._file.write(b"\n")
            self._line += 1

    def state(self, state: JobState, message: str, **details: Any) -> None:
        """The run came into another state. ``details`` are the other fields of StateEvent."""
        if "metrics" in details:
            details["metrics"] = _finite(details["metrics"])
        self._write(StateEvent(state=state, message=message, **details), durable=True)

    def message(self, text: str) -> None:
        """Something that the run's owner should know."""
        self._write(MessageEvent(text=text), durable=True)

    def progress(self, step: int, total_steps: int, epoch: float, total_epochs: int, eta: float | None) -> None:
        """Steps done; ``eta`` in seconds."""
        eta = None if eta is None or not math.isfinite(eta) else round(eta, 1)
        event = ProgressEvent(
            step=step, total_steps=total_steps, epoch=epoch, total_epochs=total_epochs, eta_seconds=eta
        )
        self._write(event)

    def metrics(self, step: int, epoch: float, values: dict[str, float]) -> None:
        """Measured values; those that are no finite number are left out, JSON has none."""
        self._write(MetricsEvent(step=step, epoch=epoch, values=_finite(values)))

    def checkpoint(self, step: int, path: Path) -> None:
        """A checkpoint is whole."""
        self._write(CheckpointEvent(step=step, path=str(path)), durable=True)

    def sample(
        self, step: int, prompt: str, completion: str, reward: float | None = None, *, expected: str | None = None
    ) -> None:
        """What the model says to a prompt."""
        reward = None if reward is None or not math.isfinite(reward) else reward
        self._write(SampleEvent(step=step, prompt=prompt, completion=completion, expected=expected, reward=reward))

    def interrupt(self, signal_name: str) -> None:
        """A signal asks the run to end; called from the signal's handler."""
        self._signal = signal_name

    @property
    def should_stop(self) -> bool:
        """Whether the run is to finish its step, save and end."""
        return self._signal is not None or self._stop_file.exists()

    def check_stop(self) -> None:
        """Between two pieces of work: raises StopRequested if the run is to end."""
        if self.should_stop:
            raise StopRequested

    def ended_early(self) -> None:
        """The last word of a run that was asked to end and has saved."""
        if self._stop_file.exists():
            self.state(JobState.STOPPED, "Stopped", cause=Cause.USER)
        else:
            error = f"The worker was asked to end by {self._signal}, as when the machine shuts down; it saved first"
            self.state(JobState.INTERRUPTED, "Interrupted", error=error, cause=Cause.KILLED)

    def _write(self, event: Event, *, durable: bool = False) -> None:
        self._line += 1
        line = event.model_copy(update={"line": self._line, "attempt": self.attempt}).model_dump_json()
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
