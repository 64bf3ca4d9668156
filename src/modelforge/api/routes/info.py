"""What this server is."""

from __future__ import annotations

from fastapi import APIRouter

from modelforge.api.errors import replies
from modelforge.contracts.info import Health, Info
from modelforge.providers import PROVIDERS
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS

router = APIRouter(prefix="/api", tags=["info"], responses=replies())


@router.get("/info", summary="What this server can do")
async def info() -> Info:
    """All providers, strategies and tasks."""
    return Info(
        providers=PROVIDERS.names(),
        strategies=STRATEGIES.names(),
        tasks=TASKS.names(),
        version="v2",
    )


@router.get("/health", summary="Is it up")
async def health() -> Health:
    """Answers as soon as the server takes requests."""
    return Health()
