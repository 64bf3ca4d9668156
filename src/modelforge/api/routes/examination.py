"""A closer look at a dataset: over all of its rows together, beside another one, and in a model's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread
from fastapi import APIRouter

from modelforge.api.deps import Here, Roots, State
from modelforge.api.errors import replies
from modelforge.api.routes.datasets import Filename
from modelforge.contracts.dataset import Examination, ExaminationRequest
from modelforge.contracts.job import ModelRef
from modelforge.contracts.operation import Operation
from modelforge.contracts.training import Strategy, Task, TrainingConfig
from modelforge.datasets.child import Progress, ask
from modelforge.datasets.formats import misfit
from modelforge.datasets.inquiry import Inquiry
from modelforge.errors import InvalidDataset, InvalidRequest
from modelforge.hub.folder import context_of
from modelforge.jobs.origin import config_of, find_model
from modelforge.store.datasets import get_dataset
from modelforge.store.tables import DatasetRow
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS

router = APIRouter(prefix="/api/datasets/{filename}", tags=["datasets"])

_TASKS: dict[str, Task] = {"context_question_answer": "extractive-question-answering"}
_STRATEGIES: dict[str, Strategy] = {"prompt_chosen_rejected": "dpo"}


@router.post("/check", summary="Look closer at a dataset", status_code=202, responses=replies(404))
async def check(here: Here, roots: Roots, filename: Filename, request: ExaminationRequest) -> Operation:
    """Exact and near duplicates, rows that leak into what is measured on, and how long rows are in a model's tokens.
    The operation's result is an [Examination](responses.md#examination), which the dataset keeps."""
    row, inquiry = await to_thread.run_sync(_inquiry, here, roots, filename, request)

    async def work(progress: Progress) -> Examination:
        answer = await ask("datasets.examine", [inquiry.model_dump_json()], progress)
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
    model, config = _measured(here, roots, row, request)
    return row, Inquiry(
        path=row.path,
        shape=_shape(row),
        scratch=str(here.settings.scratch),
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


def _measured(
    here: State, roots: Sequence[Path], row: DatasetRow, request: ExaminationRequest
) -> tuple[ModelRef | None, TrainingConfig | None]:
    """The model whose tokens rows are measured in, and how they are written out."""
    if request.model_name is None:
        for field in ("max_seq_length", "task", "strategy"):
            if getattr(request, field) is not None:
                raise InvalidRequest(f"{field}: rows are measured in a model's tokens; add its model_name")
        return None, None
    shape = _shape(row)
    config = TrainingConfig(
        task=request.task or _TASKS.get(shape, "text-generation"),
        strategy=request.strategy or _STRATEGIES.get(shape, "sft"),
        model_name=request.model_name,
        dataset=row.filename,
        max_seq_length=request.max_seq_length,
    )
    fault = misfit(shape, STRATEGIES.get(config.strategy).shapes(TASKS.get(config.task)))
    if fault is not None:
        raise InvalidRequest(f"dataset '{row.filename}' {fault} for the task {config.task} and {config.strategy}")
    model = find_model(config, roots, here.database)
    if config.max_seq_length is None:
        config = config.model_copy(update={"max_seq_length": context_of(config_of(model))})
    return model, config


def _keep(here: State, row: DatasetRow, found: Examination) -> None:
    """With the version that was looked at, if it is still there."""
    with here.database.session() as session:
        kept = session.get(DatasetRow, row.id)
        if kept is not None and not kept.deleted:
            kept.examination = found.model_dump(mode="json")
