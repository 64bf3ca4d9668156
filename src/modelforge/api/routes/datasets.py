"""Uploading, listing and deleting datasets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter

from modelforge.api.arrival import File, arrive
from modelforge.api.deps import Here, Limit, Offset
from modelforge.api.errors import replies
from modelforge.api.upload import receive
from modelforge.contracts.dataset import (
    Change,
    DatasetDeleted,
    DatasetDetail,
    DatasetList,
    DatasetUploaded,
    ReadOptions,
)
from modelforge.contracts.training import MAX_VERSION
from modelforge.datasets import ingest
from modelforge.datasets.prepared import forget
from modelforge.store.datasets import detail_of, get_dataset, list_datasets, summary_of, versions_of

router = APIRouter(prefix="/api", tags=["datasets"])

Filename = Annotated[str, PathParameter(description="The name that it was uploaded under.", examples=["dataset.jsonl"])]

Version = Annotated[
    int | None, Query(ge=1, le=MAX_VERSION, description="Which version; the newest when not given.", examples=[1])
]

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "JSON Lines, JSON, CSV, TSV, Parquet, Excel, text, or a zip or gzip of "
                            "these. May come several times: the files make one dataset, in their order.",
                        }
                    },
                }
            }
        },
    }
}


@router.post("/upload_dataset", summary="Upload a dataset", openapi_extra=_FORM, responses=replies(413, 415))
async def upload_dataset(here: Here, request: Request, options: Annotated[ReadOptions, Query()]) -> DatasetUploaded:
    """A file, or several that make one dataset, with at least ten usable examples. A name that is taken gets its next
    version."""
    limit = here.settings.max_upload_mb * 1_000_000
    filename = None if options.name is None else ingest.dataset_name(options.name)
    received = await receive(request, here.settings.scratch, limit)
    files = [File(file.path, file.filename) for file in received]
    names = [file.name for file in files]
    change = Change(how="upload", summary=f"uploaded as {', '.join(names[:5])}", details={"files": names})
    try:
        return await arrive(here, files, filename or names[0], change, options)
    finally:
        await to_thread.run_sync(_drop, [file.path for file in files])


def _drop(paths: list[Path]) -> None:
    """In a thread: a file of gigabytes takes a while to go."""
    for path in paths:
        path.unlink(missing_ok=True)


@router.get("/datasets", summary="All datasets", responses=replies())
def datasets(here: Here, limit: Limit = None, offset: Offset = 0) -> DatasetList:
    """The newest version of each, oldest first."""
    with here.database.session() as session:
        rows, total = list_datasets(session, limit, offset)
        return DatasetList(datasets=[summary_of(row) for row in rows], total=total)


@router.get("/datasets/{filename}", summary="A dataset", responses=replies(404))
def dataset(here: Here, filename: Filename, version: Version = None) -> DatasetDetail:
    """Its newest version, or another one, with what was found in it."""
    with here.database.session() as session:
        return detail_of(get_dataset(session, filename, version))


@router.delete("/datasets/{filename}", summary="Delete a dataset", responses=replies(404))
def delete(here: Here, filename: Filename) -> DatasetDeleted:
    """All its versions. Runs that learn from it have a copy of their own and go on."""
    with here.database.session() as session:
        get_dataset(session, filename)
        versions = versions_of(session, filename)
        for row in versions:
            # What was found in them holds some of them.
            row.deleted, row.report, row.examination, row.change = True, {}, None, {}
    for row in versions:
        shutil.rmtree(Path(row.path).parent, ignore_errors=True)
        forget(here.settings.home, row.sha256)
    return DatasetDeleted()
