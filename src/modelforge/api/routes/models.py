"""The registry of trained models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Body, Request
from fastapi import Path as PathParameter
from starlette.responses import StreamingResponse

from modelforge.api.deps import Here, Limit, Offset, State
from modelforge.api.errors import replies
from modelforge.api.usage import usage_of
from modelforge.archive import zipped
from modelforge.contracts.model import ModelDeleted, ModelDetail, ModelList, ModelRename, ModelUsage
from modelforge.errors import NotFound
from modelforge.store.models import detail_of, get_model, list_models, rename_model, summary_of
from modelforge.store.tables import ModelRow

router = APIRouter(prefix="/api/models", tags=["models"])

ModelId = Annotated[int, PathParameter(ge=1, le=2**31 - 1, description="The model's id.", examples=[1])]


@router.get("", summary="All trained models", responses=replies())
def models(here: Here, limit: Limit = None, offset: Offset = 0) -> ModelList:
    """Oldest first."""
    with here.database.session() as session:
        rows, total = list_models(session, limit, offset)
        return ModelList(models=[summary_of(row) for row in rows], total=total)


@router.get("/{model_id}", summary="A trained model", responses=replies(404))
def model(here: Here, model_id: ModelId) -> ModelDetail:
    """How it was made, and what was measured."""
    with here.database.session() as session:
        return detail_of(get_model(session, model_id))


@router.get("/{model_id}/usage", summary="How to use a trained model", responses=replies(404))
async def usage(here: Here, http: Request, model_id: ModelId) -> ModelUsage:
    """From Python and with curl, made for this model."""
    asks_for_key = not await here.keys.is_empty()
    url = str(http.base_url).rstrip("/")
    return await to_thread.run_sync(_usage, here, model_id, url, asks_for_key)


def _usage(here: State, model_id: int, url: str, asks_for_key: bool) -> ModelUsage:
    return usage_of(_whole(here, model_id), here.settings.home, url, asks_for_key=asks_for_key)


_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get(
    "/{model_id}/download",
    summary="Download a trained model",
    response_class=StreamingResponse,
    responses={**_ZIP, **replies(404)},
)
def download(here: Here, model_id: ModelId) -> StreamingResponse:
    """Its folder as a zip. An adapter comes without the base model that it needs."""
    row = _whole(here, model_id)
    archive = zipped(Path(row.path), row.name)
    headers = {"Content-Disposition": f'attachment; filename="{row.name}.zip"', "Content-Length": str(len(archive))}
    return StreamingResponse(archive, media_type="application/zip", headers=headers)


def _whole(here: State, model_id: int) -> ModelRow:
    """The model, with its folder. Raises NotFound."""
    with here.database.session() as session:
        row = get_model(session, model_id)
    if not Path(row.path).is_dir():
        raise NotFound(f"model '{row.name}' is in the registry, but its folder {row.path} is gone")
    return row


@router.patch("/{model_id}", summary="Rename a trained model", responses=replies(404, 409, 413))
def rename(here: Here, model_id: ModelId, request: Annotated[ModelRename, Body()]) -> ModelDetail:
    """Its folder stays where it is, so what was trained from it, and what trains on it now, still finds it."""
    with here.database.session() as session:
        return detail_of(rename_model(session, model_id, request.name))


@router.delete("/{model_id}", summary="Delete a trained model", responses=replies(404, 409))
async def delete(here: Here, model_id: ModelId) -> ModelDeleted:
    """It goes into the trash with its folder, for as many days as is set. Refused while another model or a running job
    stands on it."""
    row = await to_thread.run_sync(here.trash.put, model_id)
    await here.inference.evict(row.path)
    return ModelDeleted(restorable_until=await to_thread.run_sync(here.trash.settle, model_id))
