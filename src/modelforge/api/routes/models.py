"""The registry of trained models."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter
from fastapi import Path as PathParameter

from modelforge.api.deps import Here, Limit, Offset, State
from modelforge.api.errors import replies
from modelforge.contracts.model import ModelDeleted, ModelDetail, ModelList
from modelforge.errors import Conflict, Fault
from modelforge.files import read_json_or_none
from modelforge.store.jobs import active_jobs
from modelforge.store.models import detail_of, get_model, list_models, summary_of

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


@router.delete("/{model_id}", summary="Delete a trained model", responses=replies(404, 409))
async def delete(here: Here, model_id: ModelId) -> ModelDeleted:
    """Its folder goes, too. Refused while another model or a running job stands on it."""
    path = await to_thread.run_sync(_forget, here, model_id)
    await here.inference.evict(path)
    await to_thread.run_sync(_remove, Path(path))
    return ModelDeleted()


def _forget(here: State, model_id: int) -> str:
    """Take it out of the registry; its folder's path comes back."""
    with here.database.session() as session:
        row = get_model(session, model_id)
        for other in list_models(session, None, 0)[0]:
            if other.id != model_id and _stands_on(Path(other.path), row.path):
                raise Conflict(
                    f"model '{other.name}' is an adapter of '{row.name}' and needs it: delete that one first"
                )
        for job in active_jobs(session):
            if job.model_name.lower() == row.name.lower() or _reads(here.settings.runs / job.id, Path(row.path)):
                raise Conflict(f"job {job.id} is training on from '{row.name}': wait for it, or stop it")
        session.delete(row)
    return row.path


def _remove(folder: Path) -> None:
    # Out of sight first: a half-deleted folder is nobody's model.
    hidden = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.deleted")
    try:
        folder.replace(hidden)
        shutil.rmtree(hidden)
    except FileNotFoundError:
        return
    except OSError as error:
        rest = hidden if hidden.exists() else folder
        raise Fault(
            f"the model is deleted, but its folder {rest} is not: {error.strerror}. Remove it by hand"
        ) from error


def _reads(run_dir: Path, folder: Path) -> bool:
    """Whether the run starts from the model in the folder, as its model or as its adapter."""
    spec = read_json_or_none(run_dir / "spec.json")
    model = spec.get("model", {}) if isinstance(spec, dict) else {}
    return any(path and Path(path).resolve() == folder.resolve() for path in (model.get("path"), model.get("adapter")))


def _stands_on(folder: Path, base: str) -> bool:
    """Whether the model in the folder is an adapter over the model in ``base``."""
    spec = read_json_or_none(folder / "spec.json")
    return (
        isinstance(spec, dict)
        and (folder / "adapter_config.json").is_file()
        and spec.get("model", {}).get("path") == base
    )
