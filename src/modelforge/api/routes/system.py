"""The machine that the server runs on, and what its home folder holds."""

from __future__ import annotations

import platform
from typing import Annotated

from fastapi import APIRouter, Body

from modelforge import __version__, hardware
from modelforge.api.deps import Here
from modelforge.api.errors import replies
from modelforge.contracts.system import Cleaned, CleanRequest, Freed, System
from modelforge.hardware import Use
from modelforge.packages import packages
from modelforge.providers import PROVIDERS
from modelforge.readiness import state_of

router = APIRouter(prefix="/api/system", tags=["system"])


@router.get("", summary="The machine and the installation", responses=replies())
def system(here: Here) -> System:
    """Hardware and how busy it is, providers and what each misses, versions, and what the home folder holds by kind."""
    home = here.settings.home
    return System(
        version=__version__,
        python=platform.python_version(),
        home=str(home),
        hardware=here.hardware,
        use=hardware.use(home),
        providers=[state_of(provider, home, here.hardware) for provider in PROVIDERS],
        packages=list(packages()),
        storage=here.storage.look(),
    )


@router.get("/use", summary="How busy the machine is", responses=replies())
def use(here: Here) -> Use:
    """The part of it that changes from second to second."""
    return hardware.use(here.settings.home)


@router.post("/clean", summary="Make room", responses=replies(413))
async def clean(here: Here, request: Annotated[CleanRequest, Body()]) -> Cleaned:
    """Remove what lies in the home folder of some kinds, but for what a waiting or running job needs."""
    freed = [Freed(kind=kind, size_mb=await here.storage.clean(kind)) for kind in dict.fromkeys(request.kinds)]
    return Cleaned(freed=freed, size_mb=round(sum(each.size_mb for each in freed), 6))
