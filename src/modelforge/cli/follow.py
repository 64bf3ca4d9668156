"""Watching a job to its end: polls, shows, stops on Ctrl-C, reports."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from modelforge.cli.console import (
    duration,
    err,
    note,
    print_fields,
    print_json,
    print_measures,
    say,
    show_command,
)
from modelforge.cli.progress import View, view_for
from modelforge.contracts.job import JobDetail, JobState, MetricList, MetricPoint, TrainingStarted, TrainingStopped
from modelforge.errors import Conflict

if TYPE_CHECKING:
    from modelforge.cli.client import Client

POLL_INTERVAL = 0.5
"""Seconds between two looks: one takes 15 ms of a processor that trains (measured)."""
INTERRUPTED_POLLS = 4
"""Looks at an interrupted job before it counts as ended: the supervisor takes it up again by itself where it can."""
PAGE = 500
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.STOPPED, JobState.INTERRUPTED)


class Points:
    """A job's metrics, each one once: what is new since the last look, later attempts' values included."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._offset = 0
        self._seq = 0

    def skip_present(self) -> None:
        """Take what is there already as seen: a resume shows what it adds."""
        self.new()
        self._offset = 0  # the new attempt begins at an earlier step than the old one ended at

    def new(self) -> list[MetricPoint]:
        """Points are listed by step and told apart by seq: one that replaced or completed an earlier one is new too."""
        fresh: list[MetricPoint] = []
        offset, newest = self._offset, self._offset
        while True:
            page = self._client.get(f"/api/jobs/{self._job_id}/metrics", MetricList, limit=PAGE, offset=offset).metrics
            for index, point in enumerate(page, start=offset):
                if point.seq > self._seq:
                    fresh.append(point)
                    newest = index
            offset += len(page)
            if len(page) < PAGE:
                break
        if fresh:
            self._seq = max(point.seq for point in fresh)
            self._offset = newest  # looked at again: an evaluation adds to the step's point
        return fresh


def follow(client: Client, job_id: str, view: View, *, resumed: bool = False) -> tuple[JobDetail, bool]:
    """The job when it has ended, and whether Ctrl-C ended it.

    The first Ctrl-C stops the run (it saves a checkpoint), a second one kills its worker.
    """
    watch = _Watch(client, job_id, view)
    if resumed:
        watch.points.skip_present()
    try:
        return watch.to_end(), False
    except KeyboardInterrupt:
        view.note("Stopping: the run finishes its step and saves a checkpoint. Ctrl-C again kills it at once.")
    try:
        _stop(client)
        return watch.to_end(), True
    except KeyboardInterrupt:
        view.note("Killing the worker.")
        _stop(client, force=True)
        return watch.to_end(), True


class _Watch:
    """Looks at a job again and again, and shows what is new."""

    def __init__(self, client: Client, job_id: str, view: View) -> None:
        self.points = Points(client, job_id)
        self._client = client
        self._job_id = job_id
        self._view = view
        self._said = 0

    def to_end(self) -> JobDetail:
        quiet = 0
        while True:
            job = _job(self._client, self._job_id)
            for event in job.events:
                if event.kind == "message" and event.attempt == job.attempt and event.seq > self._said:
                    self._said = event.seq
                    self._view.note(event.text)
            self._view.show(job, self.points.new())
            # Its worker may still be on its way out, and the next run would find it in the way.
            ended = job.status in ENDED and job.pid is None
            quiet = quiet + 1 if ended else 0
            if ended and (job.status != JobState.INTERRUPTED or quiet > INTERRUPTED_POLLS):
                return job
            time.sleep(POLL_INTERVAL)


def _job(client: Client, job_id: str) -> JobDetail:
    return client.get(f"/api/jobs/{job_id}", JobDetail)


def _stop(client: Client, *, force: bool = False) -> None:
    try:
        client.post("/api/stop_training", TrainingStopped, force=force or None)
    except Conflict:
        return  # it has ended by itself meanwhile


def run_to_end(
    client: Client, started: TrainingStarted, program: str, *, as_json: bool, detach: bool, resumed: bool = False
) -> None:
    """Follow a job that was just started, print what became of it, and exit: 0 completed, 1 not, 130 by Ctrl-C."""
    if detach:
        _leave(client, started, program, as_json=as_json)
        return
    with view_for(as_json=as_json) as view:
        job, by_user = follow(client, started.job_id, view, resumed=resumed)
    if not as_json or job.status != JobState.COMPLETED:
        print_end(job, program)
    if as_json:
        print_json(job)
    if job.status != JobState.COMPLETED:
        raise typer.Exit(130 if by_user else 1)


def _leave(client: Client, started: TrainingStarted, program: str, *, as_json: bool) -> None:
    """Let the run go on by itself, as soon as it has a worker."""
    for warning in started.warnings:  # who follows the job hears them as its messages
        note(warning, "yellow")
    job = _job(client, started.job_id)
    while job.status == JobState.QUEUED:
        time.sleep(POLL_INTERVAL)
        job = _job(client, started.job_id)
    if as_json:
        print_json(job)
    else:
        say(f"{job.id} runs.")
        show_command("See it", f"{program} jobs show {job.id}")


def print_end(job: JobDetail, program: str) -> None:
    """How a job ended, for people; of one that did not come to its end, why, and the last lines of its log."""
    if job.status == JobState.COMPLETED:
        took = duration(job.metrics["train_seconds"]) if job.metrics and "train_seconds" in job.metrics else None
        say(f"\nTrained {job.name}{f' in {took}' if took else ''}.", "bold green")
        print_fields({"Model id": job.model_id, "Folder": job.model_path})
        say("")
        print_measures(job.metrics)
        say("")
        show_command("Talk to it", f'{program} generate {job.name} "…"')
        return
    console = err()
    where = f" at step {job.current_step} of {job.total_steps}" if job.current_step is not None else ""
    console.print(Text(f"Training {job.status}{where}", style="bold red" if job.status == JobState.FAILED else "bold"))
    if job.error:
        console.print(Text(job.error), soft_wrap=True)
    if job.status == JobState.FAILED and job.log_tail:
        console.print(Text("\nThe last lines of its log:", style="bold"))
        for line in job.log_tail:
            console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(Text(f"\nGo on from its last checkpoint:\n  {program} jobs resume {job.id}"), soft_wrap=True)
