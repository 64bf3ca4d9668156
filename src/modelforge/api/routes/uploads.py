"""Uploads in pieces, which go on where they stopped, by the protocol tus 1.0."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi import Path as PathParameter

from modelforge.api import tus
from modelforge.api.arrival import File, arrive
from modelforge.api.deps import Here
from modelforge.api.errors import replies
from modelforge.contracts.dataset import Change, DatasetUploaded, ReadOptions
from modelforge.contracts.operation import Operation
from modelforge.contracts.upload import Upload, UploadList
from modelforge.datasets.ingest import check_ending, dataset_name, safe_filename
from modelforge.datasets.stages import Progress
from modelforge.errors import InvalidRequest, UnsupportedMedia

router = APIRouter(prefix="/api/uploads", tags=["uploads"])

UploadId = Annotated[
    str, PathParameter(description="The upload's id.", examples=["0c9f2f6a7d3e4b518a6f0d2e1b3c5a79"], max_length=100)
]
Bytes = Annotated[
    int, Header(alias="Upload-Length", ge=0, le=2**53, description="Bytes of the whole file.", examples=[1_048_576])
]
Start = Annotated[
    int, Header(alias="Upload-Offset", ge=0, le=2**53, description="Where the piece begins.", examples=[524_288])
]
About = Annotated[
    str,
    Header(
        alias="Upload-Metadata",
        description="What the file is called, in base64: `filename ZmFxLmpzb25s`. More pairs may follow, by commas.",
        examples=["filename ZmFxLmpzb25s"],
    ),
]
Sum = Annotated[
    str | None,
    Header(
        alias="Upload-Checksum",
        description="The piece's checksum in base64, after `sha1` or `sha256`. A piece that has one counts as a whole.",
    ),
]

_STATE: dict[str, Any] = {
    "Upload-Offset": {"schema": {"type": "integer"}, "description": "Bytes that are on the server's disk."},
    "Upload-Expires": {"schema": {"type": "string"}, "description": "When it is removed unless more comes."},
}
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "headers": {"Location": {"schema": {"type": "string"}, "description": "The upload's address."}, **_STATE},
    }
}
_ADDED: dict[int | str, dict[str, Any]] = {204: {"description": "The piece is on the disk", "headers": _STATE}}
_REMOVED: dict[int | str, dict[str, Any]] = {204: {"description": "It is gone"}}
_PIECE = {"requestBody": {"required": True, "content": {tus.BYTES: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get("", summary="Uploads in pieces", responses=replies())
async def uploads(here: Here) -> UploadList:
    """Those under way, oldest first. What a client lost sight of is found here by its name, length and metadata."""
    found = await here.uploads.all()
    return UploadList(uploads=found, total=len(found))


@router.post("", status_code=201, summary="Begin one", responses=replies(409, 412, 413, 415) | _CREATED)
async def begin(here: Here, request: Request, response: Response, length: Bytes, about: About) -> Upload:
    """The reply's Location is where the pieces go. It is told before anything of the file has come whether the file's
    kind can be read, and whether there is room."""
    metadata = tus.metadata_of(about)
    if "filename" not in metadata:
        raise InvalidRequest(f"Upload-Metadata has no filename. Write it as 'filename {tus.encode('faq.jsonl')}'")
    filename = safe_filename(metadata["filename"])
    check_ending(filename)
    upload = await here.uploads.create(filename, length, metadata)
    # Without scheme and host, which a proxy may have changed.
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{tus.PATH}/{upload.id}"
    response.headers.update(tus.state_of(upload))
    return upload


@router.get("/{upload_id}", summary="How much of it is there", responses=replies(404, 412))
async def upload(here: Here, upload_id: UploadId, response: Response) -> Upload:
    """Its offset is where the next piece begins. A request that is still sending to it ends: its client asks here when
    it has lost the connection. HEAD gives the same in headers alone."""
    found = await here.uploads.get(upload_id)
    response.headers.update(tus.state_of(found))
    return found


@router.head("/{upload_id}", include_in_schema=False)
async def look(here: Here, upload_id: UploadId) -> Response:
    return Response(headers=tus.state_of(await here.uploads.get(upload_id)))


@router.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    summary="Add a piece",
    openapi_extra=_PIECE,
    responses=replies(404, 409, 412, 413, 415, 460) | _ADDED,
)
async def add(here: Here, request: Request, upload_id: UploadId, offset: Start, checksum: Sum = None) -> Response:
    """Bytes of the file from Upload-Offset on, as many as you like. What came before a connection broke stays, unless
    the piece has a checksum."""
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != tus.BYTES:
        raise UnsupportedMedia(f"a piece comes as 'Content-Type: {tus.BYTES}', not as {kind[:80] or 'nothing'}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMedia(f"the piece is compressed ({encoding[:40]}); send its bytes as they are")
    length = request.headers.get("content-length", "")
    announced = int(length[:18]) if length.isdecimal() else None
    found = await here.uploads.append(upload_id, offset, announced, tus.checksum_of(checksum), request.stream())
    return Response(status_code=204, headers=tus.state_of(found))


@router.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    summary="Give it up",
    responses=replies(404, 409, 412) | _REMOVED,
)
async def give_up(here: Here, upload_id: UploadId) -> Response:
    """What came of it is removed."""
    await here.uploads.remove(upload_id)
    return Response(status_code=204)


@router.options("", include_in_schema=False)
@router.options("/{upload_id}", include_in_schema=False)
async def ask(here: Here) -> Response:
    return Response(status_code=204, headers=tus.offered(here.uploads.max_bytes))


@router.post(
    "/{upload_id}/dataset", status_code=202, summary="Make it a dataset", responses=replies(404, 409, 412, 413)
)
async def make_dataset(here: Here, upload_id: UploadId, options: Annotated[ReadOptions, Query()]) -> Operation:
    """When all of it has come. The result is that of a plain upload; then the upload is gone. One that is refused stays
    until it expires, to be read again with other options."""
    found = await here.uploads.whole(upload_id)
    filename = found.filename if options.name is None else dataset_name(options.name)
    change = Change(how="upload", summary=f"uploaded as {found.filename}", details={"files": [found.filename]})

    async def work(progress: Progress) -> DatasetUploaded:
        async with here.uploads.taken(upload_id) as path:
            return await arrive(here, [File(path, found.filename)], filename, change, options, progress)

    return here.operations.start("import", filename, work)
