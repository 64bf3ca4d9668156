"""Bringing data in from elsewhere."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter

from modelforge.api.deps import Here, Roots
from modelforge.api.errors import replies
from modelforge.api.imports import bring, source_of
from modelforge.contracts.dataset import DatasetUploaded, ReadOptions
from modelforge.contracts.imports import ImportRequest
from modelforge.contracts.operation import Operation
from modelforge.datasets.stages import Progress

router = APIRouter(prefix="/api/datasets", tags=["datasets"])


@router.post("/import", status_code=202, summary="Import a dataset", responses=replies(404, 409, 413, 415))
async def import_dataset(here: Here, roots: Roots, request: ImportRequest) -> Operation:
    """From the Hugging Face hub, from a file or a folder on the server's machine, or from the samples. The result is
    that of an upload."""
    max_bytes = here.settings.max_upload_mb * 1_000_000
    source = await to_thread.run_sync(source_of, request, roots, max_bytes)

    options = ReadOptions(**request.model_dump(include=set(ReadOptions.model_fields)))

    async def work(progress: Progress) -> DatasetUploaded:
        return await bring(here, source, options, progress)

    return here.operations.start("import", source.filename, work)
