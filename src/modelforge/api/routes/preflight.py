"""What a training would come to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request

from modelforge.api.copying import text_of
from modelforge.api.deps import Here, Roots
from modelforge.api.errors import replies
from modelforge.contracts.preflight import Preflight
from modelforge.contracts.training import TrainingConfig
from modelforge.jobs.data import conversions
from modelforge.jobs.preflight import Inquiry, tell

router = APIRouter(tags=["training"])


@router.post("/api/preflight", summary="What a training would come to", responses=replies(413, 415))
async def preflight(here: Here, http: Request, roots: Roots, config: Annotated[TrainingConfig, Body()]) -> Preflight:
    """Checked as a start is, by the same code, and neither queued nor kept. A training that would be refused is
    answered with 200, too: with `ok` false, the error that a start would get, and all that is known beside it."""
    # A file that is named by its path is read through by a process for each request.
    async with here.looks, conversions(here.settings) as scratch:
        asked = (config, here.settings, here.database, here.hardware, here.probe, roots, scratch)
        return await tell(Inquiry(*asked), text_of(http, config.model_dump(mode="json", exclude_unset=True)))
