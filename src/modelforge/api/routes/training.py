"""Starting, watching and stopping the present training."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query

from modelforge.api.deps import Here, Roots
from modelforge.api.errors import replies
from modelforge.contracts.job import TrainingStarted, TrainingStatus, TrainingStopped
from modelforge.contracts.training import TrainingConfig

router = APIRouter(prefix="/api", tags=["training"])


@router.post("/start_training", summary="Start a training", responses=replies(404, 409, 413, 415))
async def start_training(here: Here, roots: Roots, config: Annotated[TrainingConfig, Body()]) -> TrainingStarted:
    """Everything is checked before anything runs. From the reply on, training_status describes this job."""
    job_id, warnings = await here.training.submit(config, roots)
    return TrainingStarted(job_id=job_id, message="Training started successfully", warnings=warnings)


@router.get("/training_status", summary="How the present training stands", responses=replies())
async def training_status(here: Here) -> TrainingStatus:
    """The newest job's, ended or not; `idle` where there was none yet. `WS /ws/training` sends the same by itself."""
    return here.supervisor.broadcast.status


@router.post("/stop_training", summary="Stop the present training", responses=replies(409, 413))
async def stop_training(
    here: Here,
    force: Annotated[bool, Query(description="End the worker at once, without a checkpoint.")] = False,
) -> TrainingStopped:
    """The worker finishes its step, saves a checkpoint and ends; the reply comes when it has ended."""
    job_id = await here.training.stop(force=force)
    return TrainingStopped(job_id=job_id, message="Training stopped successfully")
