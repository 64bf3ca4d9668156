"""Deleted models, for as long as they are kept."""

from __future__ import annotations

from fastapi import APIRouter

from modelforge.api.deps import Here
from modelforge.api.errors import replies
from modelforge.api.routes.models import ModelId
from modelforge.contracts.model import ModelDeleted, ModelDetail, Trash
from modelforge.store.models import detail_of

router = APIRouter(prefix="/api/trash", tags=["models"])


@router.get("", summary="Deleted models", responses=replies())
def trash(here: Here) -> Trash:
    """What can be restored, in the order in which it was deleted."""
    found = here.trash.all()
    return Trash(models=found, total=len(found))


@router.post("/{model_id}/restore", summary="Restore a deleted model", responses=replies(404, 409, 413))
def restore(here: Here, model_id: ModelId) -> ModelDetail:
    """As it was, under its id and its name. Refused where another model has the name by now: rename that one first."""
    return detail_of(here.trash.restore(model_id))


@router.delete("/{model_id}", summary="Delete a model for good", responses=replies(404, 409))
def remove(here: Here, model_id: ModelId) -> ModelDeleted:
    """One that is in the trash. Refused while another model there is an adapter of it."""
    here.trash.remove(model_id)
    return ModelDeleted()
