"""What can be chosen for a training."""

from __future__ import annotations

from fastapi import APIRouter

from modelforge.api.deps import Here
from modelforge.api.errors import replies
from modelforge.contracts.catalogue import Catalogue
from modelforge.jobs import catalogue as catalogues

router = APIRouter(prefix="/api/catalogue", tags=["info"])


@router.get("", summary="What can be chosen for a training", responses=replies())
def catalogue(here: Here) -> Catalogue:
    """Tasks, methods and libraries, each with a sentence, what it goes together with, and whether this machine can;
    models to start from, and whether they fit into its memory; and presets. No other machine is asked."""
    return catalogues.catalogue(here.settings, here.database, here.hardware)
