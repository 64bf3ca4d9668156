"""A closer look at a dataset: over all of its rows together, beside another one, and in a model's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread
from fastapi import APIRouter

from modelforge.api.deps import Here, Roots, State
from modelforge.api.errors import replies
from modelforge.api.revise import scratch
from modelforge.api.routes.datasets import Filename
from modelforge.contracts.examination import Examination, ExaminationRequest
from modelforge.contracts.operation import Operation
from modelforge.datasets.child import ask
from modelforge.datasets.inquiry import Inquiry, written_out
from modelforge.datasets.stages import Progress
from modelforge.errors import InvalidDataset
from modelforge.jobs.origin import find_model, within
from modelforge.store.datasets import get_dataset
from modelforge.store.tables import DatasetRow

router = APIRouter(prefix="/api/datasets/{filename}", tags=["datasets"])


@router.post("/check", summary="Look closer at a dataset", status_code=202, responses=replies(404, 409, 413))
async def check(here: Here, roots: Roots, filename: Filename, request: ExaminationRequest) -> Operation:
    """Exact and near duplicates, rows that leak into what is measured on, and how long rows are in a model's tokens.
    The operation's result is an `Examination`, which the dataset keeps."""
    row, inquiry = await to_thread.run_sync(_inquiry, here, roots, filename, request)

    async def work(progress: Progress) -> Examination:
        # Here and not in the process: what it leaves goes, however it ends.
        async with scratch(here) as folder:
            asked = inquiry.model_copy(update={"scratch": str(folder)})
            answer = await ask("datasets.examine", [asked.model_dump_json()], progress)
        found = Examination(**answer).model_copy(update={"version": row.version})
        await to_thread.run_sync(_keep, here, row, found)
        return found

    return here.operations.start("check", row.filename, work)


def _inquiry(
    here: State, roots: Sequence[Path], filename: str, request: ExaminationRequest
) -> tuple[DatasetRow, Inquiry]:
    other = None
    with here.database.session() as session:
        row = get_dataset(session, filename, request.version)
        if request.against is not None:
            other = get_dataset(session, request.against, request.against_version)
    shape, model = _shape(row), None
    config = written_out(request, row.filename, shape)
    if config is not None:
        model = find_model(config, roots, here.database)
        config = within(config, model)
    return row, Inquiry(
        path=row.path,
        shape=shape,
        near_duplicates=request.near_duplicates,
        sample=request.sample,
        against=None if other is None else other.path,
        against_shape=None if other is None else _shape(other),
        eval_split=request.eval_split,
        seed=request.seed,
        model=model,
        config=config,
    )


def _shape(row: DatasetRow) -> str:
    if row.shape is None:
        raise InvalidDataset(f"dataset '{row.filename}' has no known shape: map its columns first, then look closer")
    return row.shape


def _keep(here: State, row: DatasetRow, found: Examination) -> None:
    """With the version that was looked at, if it is still there."""
    with here.database.session() as session:
        kept = session.get(DatasetRow, row.id)
        if kept is not None and not kept.deleted:
            kept.examination = found.model_dump(mode="json")
