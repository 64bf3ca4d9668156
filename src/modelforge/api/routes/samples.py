"""The datasets that ship with ModelForge."""

from __future__ import annotations

from fastapi import APIRouter

from modelforge.api.errors import replies
from modelforge.contracts.imports import SampleList
from modelforge.samples import SAMPLES

router = APIRouter(prefix="/api/samples", tags=["datasets"])


@router.get("", summary="Sample datasets", responses=replies())
async def samples() -> SampleList:
    """Each with its card: what it is, what it is for, how it came to be. Import one by its name."""
    return SampleList(samples=list(SAMPLES), total=len(SAMPLES))
