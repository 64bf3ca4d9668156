"""``modelforge jobs``: the runs, past and present."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelforge.cli.console import (
    note,
    percent,
    print_fields,
    print_json,
    print_measures,
    print_table,
    say,
    show_command,
)
from modelforge.cli.flags import with_flags
from modelforge.cli.follow import ENDED, run_to_end
from modelforge.cli.help import Grouped
from modelforge.cli.session import Json, client_of, program_of
from modelforge.cli.train import ConfigFile, Detach, config_of
from modelforge.contracts.job import (
    JobDetail,
    JobEvent,
    JobList,
    JobLog,
    JobQueued,
    JobSample,
    JobSamples,
    TrainingStarted,
    TrainingStopped,
)
from modelforge.contracts.training import GROUPS, TrainingConfig
from modelforge.errors import NotFound

if TYPE_CHECKING:
    from modelforge.cli.client import Client

app = typer.Typer(help="The training runs, past, present and to come.", no_args_is_help=True)

Job = Annotated[str | None, typer.Argument(metavar="[JOB]", help="The job's id; the newest job when left out.")]
PAGE = 500
FOLLOW_INTERVAL = 0.5


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the jobs, oldest first."""
    with client_of(ctx) as client:
        found = client.get("/api/jobs", JobList)
    if json:
        print_json(found)
    elif not found.jobs:
        say("No jobs yet. Start one: modelforge train --help")
    else:
        print_table(
            ["Job", "State", "Place", "Done", "Loss", "Model made", "Base model", "Dataset", "Created"],
            [
                (j.id, j.status, j.position, percent(j.progress), j.loss, j.name, j.model_name, j.dataset, j.created_at)
                for j in found.jobs
            ],
            numbers=["Place", "Done", "Loss"],
        )


@app.command()
def show(ctx: typer.Context, job: Job = None, json: Json = False) -> None:
    """Show a job: how it stands, what happened to it, and what it was told."""
    with client_of(ctx) as client:
        detail = client.get(f"/api/jobs/{_id(client, job)}", JobDetail)
        if json:
            print_json(detail)
            return
        said = client.get(f"/api/jobs/{detail.id}/samples", JobSamples).samples
    step = f"{detail.current_step} of {detail.total_steps}" if detail.current_step is not None else None
    print_fields(
        {
            "Job": detail.id,
            "State": detail.status,
            "Place in the queue": detail.position,
            "Done": percent(detail.progress),
            "Step": step,
            "Loss": detail.loss,
            "Eval loss": detail.eval_loss,
            "Model made": detail.name,
            "Model id": detail.model_id,
            "Folder": detail.model_path,
            "Base model": detail.model_name,
            "Dataset": detail.dataset,
            "Attempt": detail.attempt,
            "Created": detail.created_at,
            "Started": detail.started_at,
            "Ended": detail.ended_at,
            "Error": detail.error,
            "Cause": detail.cause,
            "Exit code": detail.exit_code,
            "Signal": detail.signal,
            "Files": detail.run_dir,
        }
    )
    if detail.metrics:
        say("")
        print_measures(detail.metrics)
    say("\nWhat happened", "bold")
    print_fields([(_clock(event), event.text) for event in detail.events])
    if said:
        say("\nWhat the model said", "bold")
        print_fields([(_clock(sample), _in_words(sample)) for sample in said])
    say("\nConfiguration", "bold")
    print_fields(detail.config)


def _clock(event: JobEvent | JobSample) -> str:
    return event.at.astimezone().strftime("%H:%M:%S")


def _in_words(sample: JobSample) -> str:
    """On one line: a prompt may have many, and an answer is to be found at a glance."""
    reward = "" if sample.reward is None else f", reward {sample.reward:.3g}"
    return " ".join(f"Step {sample.step}{reward}: {sample.prompt} → {sample.completion}".split())


@app.command()
def logs(
    ctx: typer.Context,
    job: Job = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    json: Json = False,
) -> None:
    """Print a job's log."""
    with client_of(ctx) as client:
        job_id = _id(client, job)
        total = client.get(f"/api/jobs/{job_id}/log", JobLog, limit=1).total
        offset = max(0, total - lines)
        ended = False
        while not ended:
            ended = not follow or client.get(f"/api/jobs/{job_id}", JobDetail).status in ENDED
            log = _read_log(client, job_id, offset)
            offset += len(log.lines)
            if json and (log.lines or not follow):
                print_json(log)
            elif not json:
                sys.stdout.writelines(f"{line}\n" for line in log.lines)
                sys.stdout.flush()
            if not ended:
                time.sleep(FOLLOW_INTERVAL)


@app.command(cls=Grouped)
@with_flags(TrainingConfig, panels=GROUPS)
def add(ctx: typer.Context, config_file: ConfigFile = None, json: Json = False, **flags: Any) -> None:
    """Put a training into the queue: it starts when those before it have ended.

    The server runs the queue, one training after the other; without one, the job waits for it.

    Example: modelforge jobs add run.yaml --learning-rate 1e-4 --name slower
    """
    with client_of(ctx, supervise=True) as client:
        queued = client.post("/api/jobs", JobQueued, config_of(client, config_file, flags))
        served = client.url is not None
    if json:
        print_json(queued)
        return
    for warning in queued.warnings:
        note(warning, "yellow")
    say(f"{queued.job_id} waits at place {queued.position} of the queue.")
    if not served:
        show_command("No server runs, and one is needed to start it", f"{program_of(ctx)} serve")


@app.command()
def move(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    position: Annotated[int, typer.Argument(min=1, help="Its new place in the queue, from 1.")],
    json: Json = False,
) -> None:
    """Give a job that waits another place in the queue."""
    with client_of(ctx, supervise=True) as client:
        moved = client.post(f"/api/jobs/{job}/move", JobQueued, position=position)
    if json:
        print_json(moved)
    else:
        say(f"{moved.job_id} waits at place {moved.position} of the queue.")


@app.command()
def stop(
    ctx: typer.Context,
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="The job's id; the one that runs when left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="End it at once, without a checkpoint.")] = False,
    json: Json = False,
) -> None:
    """Stop a run: it finishes its step and saves a checkpoint. A job that waits is taken out of the queue."""
    with client_of(ctx, supervise=True) as client:
        path = "/api/stop_training" if job is None else f"/api/jobs/{job}/stop"
        stopped = client.post(path, TrainingStopped, force=force or None)
    if json:
        print_json(stopped)
    else:
        say(f"Stopped {stopped.job_id}.")
        show_command("Go on with it", f"{program_of(ctx)} jobs resume {stopped.job_id}")


@app.command()
def resume(ctx: typer.Context, job: Job = None, json: Json = False, detach: Detach = False) -> None:
    """Go on with a run that ended early, from its last checkpoint, and watch it."""
    with client_of(ctx, supervise=True) as client:
        started = client.post(f"/api/jobs/{_id(client, job)}/resume", TrainingStarted)
        run_to_end(client, started, program_of(ctx), as_json=json, detach=detach, resumed=True)


def _id(client: Client, job: str | None) -> str:
    if job is not None:
        return job
    jobs = client.get("/api/jobs", JobList).jobs
    if not jobs:
        raise NotFound("there is no job yet; start one: modelforge train --help")
    return jobs[-1].id


def _read_log(client: Client, job_id: str, offset: int) -> JobLog:
    """The lines from ``offset`` on."""
    whole = JobLog(job_id=job_id, lines=[], total=offset)
    while True:
        page = client.get(f"/api/jobs/{job_id}/log", JobLog, limit=PAGE, offset=offset + len(whole.lines))
        whole.lines += page.lines
        whole.total = page.total
        if len(page.lines) < PAGE:
            return whole
