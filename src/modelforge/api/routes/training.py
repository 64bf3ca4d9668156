"""Starting, watching and stopping the present training."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request

from modelforge.api.deps import Force, Here, IdempotencyKey, Roots, ticket_of
from modelforge.api.errors import replies
from modelforge.contracts.job import TrainingStarted, TrainingStatus, TrainingStopped
from modelforge.contracts.training import TrainingConfig

router = APIRouter(prefix="/api", tags=["training"])


@router.post("/start_training", summary="Start a training", responses=replies(404, 409, 413, 415))
async def start_training(
    here: Here, http: Request, roots: Roots, config: Annotated[TrainingConfig, Body()], key: IdempotencyKey = None
) -> TrainingStarted:
    """Everything is checked before anything runs. From the reply on, training_status describes this job. Refused with
    409 while another training runs, or is about to because it waits in the queue: `POST /api/jobs` waits, too."""
    return await here.training.submit(config, roots, ticket_of(http, key, config))


@router.get("/training_status", summary="How the present training stands", responses=replies())
async def training_status(here: Here) -> TrainingStatus:
    """The newest job's that was started, ended or not; `idle` where there was none yet. Jobs that wait in the queue
    are in `GET /api/jobs`. `WS /ws/training` sends the same by itself."""
    return here.supervisor.broadcast.status


@router.post("/stop_training", summary="Stop the present training", responses=replies(409, 413))
async def stop_training(
    here: Here,
    force: Force = False,
) -> TrainingStopped:
    """The worker finishes its step, saves a checkpoint and ends; the reply comes when it has ended, and all that it
    started. Then the first job of the queue starts, if there is one."""
    return await here.training.stop(force=force)
