"""Talking to a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Body, Request, Response

from modelforge.api.deps import Here, Roots, State
from modelforge.api.errors import replies, told_late
from modelforge.api.events import EventStream, event, events_of
from modelforge.api.gone import unless_gone
from modelforge.architectures import is_encoder_decoder
from modelforge.catalogue import BUNDLED_MODELS, bundled_model
from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.contracts.playground import (
    GenerateReply,
    GenerateRequest,
    GenerationEvent,
    GenerationStarted,
    GenerationToken,
)
from modelforge.errors import InvalidRequest, NotFound
from modelforge.hub.folder import check_tokenizer
from modelforge.hub.lookup import find_revision
from modelforge.inference.protocol import ModelTarget
from modelforge.jobs.kept import find_checkpoint
from modelforge.jobs.origin import check_remote_code, config_of, find_folder
from modelforge.settings import Settings
from modelforge.specfile import spec_of
from modelforge.store.jobs import get_job
from modelforge.store.models import get_model, model_named
from modelforge.store.tables import ModelRow

router = APIRouter(prefix="/api/playground", tags=["playground"])

News = asyncio.Queue[GenerationStarted | GenerationToken | None]
"""What is told of an answer until it is there; None at its end."""


@router.post("/generate", summary="Ask a model", responses=replies(404, 413))
async def generate(
    here: Here, roots: Roots, http: Request, request: Annotated[GenerateRequest, Body()]
) -> GenerateReply:
    """The prompt is put into the format that the model was trained in."""
    target = await to_thread.run_sync(_target, here, roots, request)
    answer = here.inference.generate(target, request, request.timeout or here.settings.generate_timeout)
    return await unless_gone(http, answer)


@router.post(
    "/stream",
    summary="Ask a model, and read along",
    responses={**replies(404, 413), 200: events_of(GenerationEvent)},
    response_class=Response,
)
async def stream(here: Here, roots: Roots, http: Request, request: Annotated[GenerateRequest, Body()]) -> Response:
    """What `/api/playground/generate` answers, while it is written, as Server-Sent Events: `started` at each change
    until the first token, `token` with more of the text, then `done` with the whole answer, or `error`. What is wrong
    before the model is asked is refused as there, with its status. An extractive answer, and that of an
    encoder-decoder model, come in one piece. Closing the connection ends the generation."""
    target = await to_thread.run_sync(_target, here, roots, request)
    news: News = asyncio.Queue()
    timeout = request.timeout or here.settings.generate_timeout
    generation = asyncio.create_task(here.inference.generate(target, request, timeout, news.put_nowait))
    generation.add_done_callback(lambda _: news.put_nowait(None))
    return EventStream(_told(generation, news, http), generation.cancel)


async def _told(generation: asyncio.Task[GenerateReply], news: News, http: Request) -> AsyncIterator[bytes]:
    """The events of an answer, until it is there or failed."""
    while (told := await news.get()) is not None:
        yield event("started" if isinstance(told, GenerationStarted) else "token", told)
    fault = generation.exception()
    yield event("done", generation.result()) if fault is None else event("error", told_late(fault, http))


def _target(here: State, roots: Sequence[Path], request: GenerateRequest) -> ModelTarget:
    if request.job_id is not None:
        return _of_run(here, request.job_id, request)
    with here.database.session() as session:
        if request.model_id is not None:
            return _tuned(here, get_model(session, request.model_id), base=request.base)
        name = request.model_name or ""
        row = model_named(session, name)
    if row is not None:
        return _tuned(here, row, base=request.base)
    if request.base:
        raise InvalidRequest(f"base: '{name}' was not trained here; ask it itself, or name a model of GET /api/models")
    if name in BUNDLED_MODELS:
        return _base(ModelRef(name=name, source="bundled", path=str(bundled_model(name))), request)
    folder = find_folder(name, roots, "model_name")
    if folder is not None:
        check_tokenizer(folder, name)
        _check_maker(folder, roots, here.settings)
        return _base(ModelRef(name=name, source="folder", path=str(folder)), request)
    return _base(ModelRef(name=name, source="hub", path=name, revision=find_revision(name)), request)


def _of_run(here: State, job_id: str, request: GenerateRequest) -> ModelTarget:
    """What a training started from, or a checkpoint of it."""
    with here.database.session() as session:
        get_job(session, job_id)
    run_dir = here.settings.runs / job_id
    spec = spec_of(run_dir)
    if spec is None:
        raise NotFound(f"the run folder {run_dir} is gone, or its spec.json is not whole: job {job_id} cannot be asked")
    check_remote_code(spec, here.settings)
    _check_start(spec)
    chosen = None if request.base else find_checkpoint(run_dir, request.checkpoint)
    return ModelTarget(
        path=str(run_dir),
        provider=spec.config.provider,
        task=spec.config.task,
        tuned=True,
        base=request.base,
        checkpoint=chosen.path if chosen is not None else None,
    )


def _check_start(spec: RunSpec) -> None:
    """Raises NotFound where what a run started from is gone from this machine."""
    for place in (spec.model.path if spec.model.source in ("folder", "registry") else None, spec.model.adapter):
        if place is not None and not Path(place).is_dir():
            raise NotFound(f"what '{spec.name}' was trained from is gone: there is no folder {place} any more")


def _check_maker(folder: Path, roots: Sequence[Path], settings: Settings) -> None:
    """A folder that says of itself how it was made is loaded by that, and anybody may have written it."""
    spec = spec_of(folder)
    check_remote_code(spec, settings)
    if spec is not None and spec.model.source in ("folder", "registry"):
        find_folder(spec.model.path, roots, "model_name")


def _tuned(here: State, row: ModelRow, *, base: bool) -> ModelTarget:
    if not Path(row.path).is_dir():
        raise NotFound(f"model '{row.name}' is in the registry, but its folder {row.path} is gone")
    spec = spec_of(Path(row.path))
    check_remote_code(spec, here.settings)
    if base:
        if spec is None:
            raise NotFound(f"the spec.json in {row.path} is gone or not whole, which says what it was trained from")
        _check_start(spec)
    return ModelTarget(path=row.path, provider=row.provider, task=row.task, tuned=True, base=base)


def _base(model: ModelRef, request: GenerateRequest) -> ModelTarget:
    task = request.task
    if task is None and request.context is not None:
        task = "extractive-question-answering"
    elif task is None:
        task = "summarization" if is_encoder_decoder(config_of(model)) else "text-generation"
    return ModelTarget(path=model.path, provider="huggingface", task=task, tuned=False)
