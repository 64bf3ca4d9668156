"""All jobs: the queue, what runs, and what was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from fastapi import Path as PathParameter

from modelforge.api.copying import text_of
from modelforge.api.deps import Force, Here, IdempotencyKey, Limit, Offset, Roots, ticket_of
from modelforge.api.errors import replies
from modelforge.contracts.job import (
    CheckpointList,
    JobDetail,
    JobList,
    JobLog,
    JobQueued,
    JobSamples,
    JobState,
    MetricList,
    TrainingStarted,
    TrainingStopped,
)
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.files import last_lines, read_lines
from modelforge.jobs.kept import checkpoints_of
from modelforge.jobs.said import samples_of
from modelforge.specfile import spec_of
from modelforge.store.jobs import get_job, list_jobs, list_metrics, newest_events, positions, summary_of
from modelforge.store.tables import ModelRow

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

JobId = Annotated[str, PathParameter(description="The job's id.", examples=["train_3f9a1c5be07d"])]


@router.get("", summary="All jobs", responses=replies())
def jobs(
    here: Here,
    limit: Limit = None,
    offset: Offset = 0,
    status: Annotated[
        list[JobState] | None, Query(description="Only jobs in this state; given more than once, in any of them.")
    ] = None,
) -> JobList:
    """Oldest first."""
    with here.database.session() as session:
        rows, total = list_jobs(session, limit, offset, status or ())
        places = positions(session)
        return JobList(jobs=[summary_of(row, places.get(row.id)) for row in rows], total=total)


@router.post("", summary="Put a training into the queue", responses=replies(404, 409, 413, 415))
async def enqueue(
    here: Here, http: Request, roots: Roots, config: Annotated[TrainingConfig, Body()], key: IdempotencyKey = None
) -> JobQueued:
    """Checked as a start is, before it waits. It starts by itself when all before it have ended, however they ended."""
    return await here.training.enqueue(config, roots, ticket_of(http, key, config))


@router.get("/{job_id}", summary="A job", responses=replies(404))
def job(here: Here, http: Request, job_id: JobId) -> JobDetail:
    """Everything that is known of it."""
    run_dir = here.settings.runs / job_id
    with here.database.session() as session:
        row = get_job(session, job_id)
        model = session.get(ModelRow, row.model_id) if row.model_id is not None else None
        spec = spec_of(run_dir)
        config = spec.config.model_dump(mode="json") if spec is not None else row.config
        # The same again makes a model of another name.
        again = {name: value for name, value in config.items() if value is not None and name != "name"}
        return JobDetail(
            **summary_of(row, positions(session).get(job_id)).model_dump(),
            config=config,
            request=text_of(http, again),
            exit_code=row.exit_code,
            signal=row.signal,
            log_tail=row.log_tail or [],
            pid=here.supervisor.handle_pid(job_id),
            run_dir=str(run_dir),
            model_path=model.path if model is not None else None,
            events=newest_events(session, job_id),
        )


@router.get("/{job_id}/metrics", summary="A job's metrics", responses=replies(404))
def metrics(
    here: Here,
    job_id: JobId,
    limit: Limit = None,
    offset: Offset = 0,
    after: Annotated[
        int | None, Query(ge=-1, le=2**31 - 1, description="Only what was measured at later steps than this.")
    ] = None,
    max_points: Annotated[
        int | None,
        Query(
            ge=4,
            le=100_000,
            description="At most so many of each value, to draw them: of each stretch of steps the lowest and the "
            "highest, and always the first and the last. A point has those of its values that are left. Goes without "
            "limit and offset.",
            examples=[2000],
        ),
    ] = None,
) -> MetricList:
    """By step; a later attempt's value for a step stands."""
    if max_points is not None and (limit is not None or offset):
        raise InvalidRequest("max_points: it chooses among all points; leave limit and offset out, or use after")
    with here.database.session() as session:
        get_job(session, job_id)
        points, total = list_metrics(session, job_id, limit, offset, after, max_points)
        return MetricList(job_id=job_id, metrics=points, total=total)


@router.get("/{job_id}/checkpoints", summary="A job's checkpoints", responses=replies(404))
def checkpoints(here: Here, job_id: JobId) -> CheckpointList:
    """What lies on its disk now. Each that is valid can be asked: `job_id` and `checkpoint` of the playground."""
    with here.database.session() as session:
        get_job(session, job_id)
    found = checkpoints_of(here.settings.runs / job_id)
    return CheckpointList(job_id=job_id, checkpoints=found, total=len(found))


@router.get("/{job_id}/samples", summary="What a job's model says", responses=replies(404))
def samples(here: Here, job_id: JobId, limit: Limit = None, offset: Offset = 0) -> JobSamples:
    """A few held-out prompts, asked before the first step, at evaluations as far as they take little of the time, and
    after the last step. The status's `seq` rises when there are new ones. Causal models alone are asked."""
    with here.database.session() as session:
        get_job(session, job_id)
    found = samples_of(here.settings.runs / job_id / "events.jsonl")
    end = None if limit is None else offset + limit
    return JobSamples(job_id=job_id, samples=found[offset:end], total=len(found))


@router.get("/{job_id}/log", summary="A job's log", responses=replies(404))
def log(
    here: Here,
    job_id: JobId,
    limit: Limit = None,
    offset: Offset = 0,
    tail: Annotated[
        int | None,
        Query(ge=1, le=1_000_000, description="The last so many lines. Goes without limit and offset.", examples=[100]),
    ] = None,
) -> JobLog:
    """What its worker wrote, line by line, over all attempts."""
    if tail is not None and (limit is not None or offset):
        raise InvalidRequest("tail: it counts from the end; leave limit and offset out")
    with here.database.session() as session:
        get_job(session, job_id)
    path = here.settings.runs / job_id / "worker.log"
    if tail is not None:
        lines, total = last_lines(path, tail)
    else:
        lines, total = read_lines(path, offset, None if limit is None else offset + limit)
    return JobLog(job_id=job_id, lines=lines, total=total)


@router.post("/{job_id}/stop", summary="Stop a job", responses=replies(404, 409, 413))
async def stop(here: Here, job_id: JobId, force: Force = False) -> TrainingStopped:
    """One that runs finishes its step, saves a checkpoint and ends; the reply comes when it has ended, and all that it
    started. One that waits is taken out of the queue. Either can be resumed."""
    return await here.training.stop(job_id, force=force)


@router.post("/{job_id}/move", summary="Move a job in the queue", responses=replies(404, 409, 413))
async def move(
    here: Here,
    job_id: JobId,
    position: Annotated[
        int, Query(ge=1, le=1_000_000, description="From 1; beyond the end is the last place.", examples=[1])
    ],
) -> JobQueued:
    """Those that it passes keep their order."""
    return await here.training.move(job_id, position)


@router.post("/{job_id}/resume", summary="Go on with a job", responses=replies(404, 409, 413))
async def resume(here: Here, job_id: JobId) -> TrainingStarted:
    """A failed, stopped or interrupted job goes on from its last whole checkpoint, before all that wait."""
    start = await here.training.resume(job_id)
    return TrainingStarted(job_id=job_id, message=f"Training goes on {start}")
