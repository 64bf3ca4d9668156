"""How a run is shown while it goes on: a live bar on a terminal, lines where there is none, JSON for machines."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from modelforge.cli.console import duration, err, number, out, percent, print_json
from modelforge.contracts.job import JobDetail, JobState, JobStatus, MetricPoint

SPEED_WINDOW = 10.0
"""Seconds over which the speed is measured."""
LINE_INTERVAL = 10.0
"""Seconds between lines where there is no terminal; a tenth of the run makes a line too."""
CURVE_WIDTH = 16
LOOKED_AT = {
    "reward": "reward",
    "kl": "KL",
    "reward_accuracy": "accuracy",
    "reward_model_accuracy": "accuracy",
    "rougeL": "ROUGE-L",
    "f1": "F1",
}
"""Measures of strategies and tasks that are shown while a run goes on, and how they are called there."""
BETWEEN = " · "
BLOCKS = "▁▂▃▄▅▆▇█"


class View(Protocol):
    """Where the news of a run go."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, job: JobDetail, points: list[MetricPoint]) -> None:
        """The job as it stands, and what was measured since the last call."""

    def note(self, text: str) -> None:
        """Something worth a line."""


def view_for(*, as_json: bool) -> View:
    """The view that fits where stdout leads."""
    if as_json:
        return JsonView()
    return LiveView() if out().is_terminal else LineView()


class Speed:
    """Steps a second over the last seconds, from what was seen of the run."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, step: int | None) -> None:
        if step is None or (self._seen and self._seen[-1][1] == step):
            return
        now = time.monotonic()
        if self._seen and step < self._seen[-1][1]:  # a resume steps back
            self._seen.clear()
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[0][0] > SPEED_WINDOW:
            self._seen.popleft()

    @property
    def steps_per_second(self) -> float | None:
        if len(self._seen) < 2:
            return None
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else None


class _Figures:
    """What both human views say about a run."""

    def __init__(self) -> None:
        self.speed = Speed()
        self._curves: dict[str, dict[int, float]] = {"loss": {}, "reward": {}}
        self._newest: dict[str, float] = {}

    def take(self, job: JobDetail, points: list[MetricPoint]) -> None:
        self.speed.add(job.current_step)
        for point in points:
            measured = {**(point.model_extra or {}), "loss": point.loss, "eval_loss": point.eval_loss}
            if "reward" in measured and "reward" not in self._newest:
                self._newest.clear()  # the reward model is trained: its figures are not the policy's
            known = {name: value for name, value in measured.items() if isinstance(value, int | float)}
            self._newest |= known
            for name in self._curves.keys() & known.keys():
                self._curves[name][point.step] = known[name]  # a point comes again where something was added to it

    def parts(self, job: JobDetail) -> list[str]:
        parts = []
        if job.current_step is not None and job.total_steps is not None:
            parts.append(f"step {job.current_step} of {job.total_steps}")
        parts += [f"{name} {number(value)}" for name, value in self._measured(job)]
        running = job.status == JobState.TRAINING and job.current_step != job.total_steps
        if running and self.speed.steps_per_second is not None:
            parts.append(f"{self.speed.steps_per_second:.1f} steps/s")
        if running and job.eta_seconds is not None:
            parts.append(f"{duration(job.eta_seconds)} left")
        if job.stalled:
            parts.append("silent for long")
        return parts

    def shape(self) -> str:
        """The curve of what the training is after, with its name; empty while there are no two points of it."""
        name = "reward" if self._curves["reward"] else "loss"
        drawn = curve([value for _, value in sorted(self._curves[name].items())])
        return f"{name} {drawn}" if drawn else ""

    def _measured(self, job: JobDetail) -> Iterator[tuple[str, float]]:
        """The loss, or where a policy is after a reward, that; then what else people look at."""
        by_reward = "reward" in self._newest
        loss, eval_loss = self._newest.get("loss", job.loss), self._newest.get("eval_loss", job.eval_loss)
        if loss is not None and not by_reward:
            yield "loss", loss
        if eval_loss is not None and (not by_reward or "eval_loss" in self._newest):
            yield "eval loss", eval_loss
        for name, words in LOOKED_AT.items():
            if name in self._newest:
                yield words, self._newest[name]


def curve(values: list[float], width: int = CURVE_WIDTH) -> str:
    """The values as a line of blocks, the highest as the tallest; means where there are more than ``width``."""
    if len(values) < 2:
        return ""
    count = min(width, len(values))
    bounds = [index * len(values) // count for index in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(bounds)]
    low, high = min(means), max(means)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((mean - low) * scale)] for mean in means)


def flowed(parts: list[str], width: int) -> list[str]:
    """The parts in lines of at most ``width`` columns, none of them broken."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(BETWEEN) + len(part) <= width:
            lines[-1] += BETWEEN + part
        else:
            lines.append(part)
    return lines


WORDS = {
    JobState.QUEUED: "Waiting",
    JobState.STARTING: "Loading the model",
    JobState.TRAINING: "Training",
    JobState.SAVING: "Saving and checking",
    JobState.COMPLETED: "Trained",
    JobState.FAILED: "Failed",
    JobState.STOPPED: "Stopped",
    JobState.INTERRUPTED: "Interrupted",
}


def in_words(status: JobStatus) -> str:
    return WORDS[JobState(status.status)] if status.status != "idle" else "Idle"


class LiveView:
    """A bar that moves, with the loss curve beside its number; as narrow as the terminal is."""

    def __init__(self) -> None:
        self._live = Live(console=out(), refresh_per_second=8)
        self._figures = _Figures()

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, job: JobDetail, points: list[MetricPoint]) -> None:
        self._figures.take(job, points)
        self._live.update(self._render(job), refresh=job.ended_at is not None)

    def note(self, text: str) -> None:
        self._live.console.print(Text(text, style="yellow"))

    def _render(self, job: JobDetail) -> RenderableType:
        waiting = job.status in (JobState.QUEUED, JobState.STARTING)
        title = Text.assemble((in_words(job), "bold"), " ", job.name)
        if not waiting:
            title.append(f"  {percent(job.progress)}", "bold green" if job.status == JobState.COMPLETED else "bold")
        bar = ProgressBar(total=100, completed=job.progress, pulse=waiting, finished_style="green")
        lines = flowed(self._figures.parts(job), self._live.console.width)
        shape = self._figures.shape()
        figures = Text("\n".join([*lines, shape] if shape else lines), style="dim", overflow="fold")
        return Group(title, Padding(bar, 0), figures)  # the bar itself ends no line


class LineView:
    """A line at every new state, and one every now and then between."""

    def __init__(self) -> None:
        self._console = out()
        self._figures = _Figures()
        self._state: str | None = None
        self._said = (0.0, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, job: JobDetail, points: list[MetricPoint]) -> None:
        self._figures.take(job, points)
        said_at, said_progress = self._said
        due = job.status == JobState.TRAINING and (
            time.monotonic() - said_at >= LINE_INTERVAL or job.progress - said_progress >= 10
        )
        if job.status != self._state or (due and job.progress > said_progress):
            figures = ", ".join(self._figures.parts(job))
            self._console.print(
                Text(f"{in_words(job)} {job.name}: {percent(job.progress)}{', ' if figures else ''}{figures}"),
                soft_wrap=True,
            )
            self._state, self._said = job.status, (time.monotonic(), job.progress)

    def note(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


class JsonView:
    """A JSON line for every point that is measured and every change of state."""

    def __init__(self) -> None:
        self._state: tuple[int, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, job: JobDetail, points: list[MetricPoint]) -> None:
        for point in points:
            print_json({"event": "metrics", **point.model_dump(mode="json", exclude_none=True)})
        if (job.attempt, job.status) != self._state:
            self._state = (job.attempt, job.status)
            fields = set(JobStatus.model_fields)
            print_json({"event": "state", **job.model_dump(mode="json", include=fields)})

    def note(self, text: str) -> None:
        err().print(Text(text), soft_wrap=True)
