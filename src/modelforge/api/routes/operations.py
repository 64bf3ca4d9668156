"""Work on data that goes on after its request was answered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter

from modelforge.api.deps import Here
from modelforge.api.errors import replies
from modelforge.contracts.operation import Operation, OperationList

router = APIRouter(prefix="/api/operations", tags=["datasets"])

OperationId = Annotated[str, PathParameter(description="The operation's id.", examples=["op_5c1d9a7f03b2"])]


@router.get("", summary="Work on data", responses=replies())
async def operations(here: Here) -> OperationList:
    """What runs and what ended not long ago, newest first."""
    found = here.operations.all()
    return OperationList(operations=found, total=len(found))


@router.get("/{operation_id}", summary="How far it is, or what came of it", responses=replies(404))
async def operation(here: Here, operation_id: OperationId) -> Operation:
    """Ask again after a while."""
    return here.operations.get(operation_id)


@router.post("/{operation_id}/cancel", summary="Cancel it", responses=replies(404, 413))
async def cancel(here: Here, operation_id: OperationId) -> Operation:
    """Answered when it has ended. One that ended before stays as it is."""
    return await here.operations.cancel(operation_id)
