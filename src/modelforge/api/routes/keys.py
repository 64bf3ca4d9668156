"""API keys: made and revoked on the server's own machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Body, Depends, Request
from fastapi import Path as PathParameter
from sqlalchemy.orm import Session

from modelforge.api.caller import Caller, is_from_here
from modelforge.api.deps import Here, State
from modelforge.api.errors import replies
from modelforge.contracts.key import ApiKeyCreated, ApiKeyList, ApiKeyRequest, ApiKeyRevoked
from modelforge.errors import Forbidden
from modelforge.store.keys import create_key, list_keys, revoke_key, shown

T = TypeVar("T")

KeyId = Annotated[int, PathParameter(ge=1, le=2**31 - 1, description="The key's id.", examples=[1])]


async def _require_here(request: Request) -> None:
    """Raises Forbidden for who asks from elsewhere: whoever finds a key must not make himself another one, nor revoke
    its owner's."""
    if request.state.caller is not Caller.OWNER and not is_from_here(request.scope):
        raise Forbidden(
            "keys are seen, made and revoked on the server's own machine alone: open the page there, without a proxy "
            "between, or use 'modelforge keys' there"
        )


router = APIRouter(prefix="/api/keys", tags=["keys"], dependencies=[Depends(_require_here)])


@router.get("", summary="All API keys", responses=replies())
async def keys(here: Here) -> ApiKeyList:
    """Oldest first, the revoked ones too; never the keys themselves. On the server's own machine alone."""
    found = await _in_session(here, lambda session: [shown(row) for row in list_keys(session)])
    return ApiKeyList(keys=found, total=len(found))


@router.post("", summary="Make an API key", responses=replies(413))
async def create(here: Here, request: Annotated[ApiKeyRequest, Body()]) -> ApiKeyCreated:
    """It is told this once. As soon as there is one, every request needs one. On the server's own machine alone."""
    made = await _in_session(here, lambda session: create_key(session, request.name))
    await here.keys.look_again()
    return made


@router.delete("/{key_id}", summary="Revoke an API key", responses=replies(404))
async def revoke(here: Here, key_id: KeyId) -> ApiKeyRevoked:
    """It opens nothing from now on. On the server's own machine alone."""
    revoked = await _in_session(here, lambda session: revoke_key(session, str(key_id)))
    await here.keys.look_again()
    return revoked


async def _in_session(here: State, work: Callable[[Session], T]) -> T:
    def run() -> T:
        with here.database.session() as session:
            return work(session)

    return await to_thread.run_sync(run)
