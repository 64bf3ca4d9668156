"""A dataset's versions and rows: looked at, searched, edited, mended, mapped and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from modelforge.api.compare import compare
from modelforge.api.deps import Here, State
from modelforge.api.errors import replies
from modelforge.api.fixes import offers
from modelforge.api.gone import unless_gone
from modelforge.api.revise import ask_about, revise, scratch
from modelforge.api.routes.datasets import Filename, Version
from modelforge.contracts.dataset import Change
from modelforge.contracts.operation import Operation, OperationKind
from modelforge.contracts.training import MAX_VERSION
from modelforge.contracts.version import (
    ColumnMapping,
    DatasetComparison,
    DatasetRecord,
    DatasetRows,
    DatasetVersions,
    EditRequest,
    FixOffers,
    FixRequest,
    MappingRequest,
    SuggestedMappings,
)
from modelforge.datasets.columns import look_at
from modelforge.datasets.fixes import FIXES
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.mapping import Mapper
from modelforge.datasets.paging import MAX_PAGE, index_of, page
from modelforge.datasets.stages import Progress
from modelforge.datasets.suggest import first_rows, suggest
from modelforge.errors import InvalidRequest
from modelforge.store.datasets import get_dataset, mapping_for, outdated, version_of, versions_of
from modelforge.store.tables import DatasetRow

router = APIRouter(prefix="/api/datasets/{filename}", tags=["datasets"])

SEARCH_SECONDS = 3.0
"""After which a search says how far it came."""

PageLimit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many.")]


@router.get("/versions", summary="All versions of a dataset", responses=replies(404))
def versions(here: Here, filename: Filename) -> DatasetVersions:
    """Oldest first, each with what it was made of and how."""
    with here.database.session() as session:
        get_dataset(session, filename)  # raises with the nearest name
        rows = versions_of(session, filename)
    numbers = {row.id: row.version for row in rows}
    return DatasetVersions(versions=[version_of(row, numbers) for row in rows], total=len(rows))


@router.get("/rows", summary="Rows of a dataset", responses=replies(404))
async def rows(
    here: Here,
    filename: Filename,
    http: Request,
    version: Version = None,
    offset: Annotated[int, Query(ge=0, le=2**53, description="Begin after the row of this number.")] = 0,
    limit: PageLimit = 50,
    search: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=1000,
            description="Only rows in which this stands, anywhere, whatever the capitals.",
            examples=["opening hours"],
        ),
    ] = None,
) -> DatasetRows:
    """By their numbers. A search in a large dataset ends after some seconds: `searched_to` says how far it came."""
    row = await to_thread.run_sync(_version, here, filename, version)
    if search is None:
        return await to_thread.run_sync(_page, row, offset, limit)
    index = await to_thread.run_sync(index_of, Path(row.path))
    asked = {"path": row.path, "shape": row.shape, "offset": offset, "limit": limit, "seconds": SEARCH_SECONDS}
    found = await unless_gone(http, _searched(here, {**asked, "words": search}))
    return DatasetRows(version=row.version, num_rows=_num_rows(row), last_row=index.last, **found)


@router.post("/edits", summary="Change, remove and add rows", status_code=202, responses=replies(404, 409, 413))
async def edit(here: Here, filename: Filename, request: EditRequest) -> Operation:
    """All at once, in a new version. Rows keep their numbers: those of removed ones stay free, and added ones come
    after the last. The operation's result is a `DatasetRevised`."""
    newest = await to_thread.run_sync(_version, here, filename, None)
    if newest.version != request.version:
        await to_thread.run_sync(_version, here, filename, request.version)
        raise outdated(newest, request.version)
    plan = {"how": "edit", **request.model_dump(exclude={"version"})}
    return _start(here, "edit", newest, Change(how="edit", summary=""), plan)


@router.get("/fixes", summary="Fixes for a dataset", responses=replies(404))
def fixes(here: Here, filename: Filename, version: Version = None) -> FixOffers:
    """All there are, with how much there is for them to do, as far as the checks have told."""
    row = _version(here, filename, version)
    return FixOffers(version=row.version, fixes=offers(row.report, row.examination))


@router.post("/fixes", summary="Apply fixes", status_code=202, responses=replies(404, 409, 413))
async def fix(here: Here, filename: Filename, request: FixRequest) -> Operation:
    """In a new version. No fix makes a row unusable that was usable: such rows are left as they are, and counted. The
    operation's result is a `DatasetRevised`."""
    row = await to_thread.run_sync(_version, here, filename, request.version)
    if row.shape is None and (together := [name for name in request.fixes if FIXES.get(name).together]):
        raise InvalidRequest(f"{together[0]} compares what is learnt from rows, and no shape is known: map its columns")
    plan = {"how": "fix", "fixes": request.fixes, "shape": row.shape}
    change = Change(how="fix", summary="", details={"fixes": request.fixes})
    return _start(here, "fix", row, change, plan, dry_run=request.dry_run)


@router.get("/mapping", summary="How columns could be mapped", responses=replies(404))
def mapping(here: Here, filename: Filename, version: Version = None) -> SuggestedMappings:
    """By their names, in several languages, and by what stands in them; and the mapping that was applied to the same
    columns before."""
    row = _version(here, filename, version)
    found = first_rows(Path(row.path))
    columns = look_at(found)
    with here.database.session() as session:
        known = mapping_for(session, row.filename, [column.name for column in columns])
    suggestions = suggest(found, ColumnMapping(**known) if known else None)
    return SuggestedMappings(
        version=row.version, columns=[column.to_contract() for column in columns], suggestions=suggestions
    )


@router.post("/mapping", summary="Map columns", status_code=202, responses=replies(404, 409, 413))
async def map_(here: Here, filename: Filename, request: MappingRequest) -> Operation:
    """Make every row anew, in a new version. The mapping is kept, and offered for the next upload with the same
    columns. The operation's result is a `DatasetRevised`."""
    row = await to_thread.run_sync(_version, here, filename, request.version)
    Mapper(request.shape, request.fields)  # refuses at once what fits no rows
    mapping = {"shape": request.shape, "fields": request.fields}
    columns = await to_thread.run_sync(_columns, row)
    change = Change(how="map", summary="", details={"mapping": mapping, "columns": columns})
    return _start(here, "map", row, change, {"how": "map", "mapping": mapping})


@router.get("/comparison", summary="Two versions compared", responses=replies(404))
async def comparison(
    here: Here,
    filename: Filename,
    from_: Annotated[int, Query(alias="from", ge=1, le=MAX_VERSION, description="A version.", examples=[1])],
    to: Annotated[int, Query(ge=1, le=MAX_VERSION, description="Another one.", examples=[2])],
    offset: Annotated[int, Query(ge=0, le=2**53, description="Leave out so many differences.")] = 0,
    limit: PageLimit = 50,
) -> DatasetComparison:
    """Rows that were added, removed and changed. Looking at two large ones for the first time takes a while."""
    first = await to_thread.run_sync(_version, here, filename, from_)
    second = await to_thread.run_sync(_version, here, filename, to)
    return await compare(here, first, second, offset, limit)


async def _searched(here: State, asked: dict[str, Any]) -> dict[str, Any]:
    async with here.looks, scratch(here) as folder:
        found: dict[str, Any] = await ask_about("datasets.search", asked, folder)
    return found


def _version(here: State, filename: str, version: int | None) -> DatasetRow:
    with here.database.session() as session:
        return get_dataset(session, filename, version)


def _columns(row: DatasetRow) -> list[str]:
    return [column.name for column in look_at(first_rows(Path(row.path)))]


def _page(row: DatasetRow, offset: int, limit: int) -> DatasetRows:
    path = Path(row.path)
    index = index_of(path)
    shape = None if row.shape is None else SHAPES.get(row.shape)
    found, next_offset = page(path, shape, offset, limit, index)
    return DatasetRows(
        version=row.version,
        num_rows=_num_rows(row),
        last_row=index.last,
        rows=[DatasetRecord(**each) for each in found],
        next_offset=next_offset,
        searched_to=next_offset or index.last,
    )


def _num_rows(row: DatasetRow) -> int:
    return int(row.report.get("num_rows", row.num_examples))


def _start(
    here: State,
    kind: OperationKind,
    row: DatasetRow,
    change: Change,
    plan: dict[str, Any],
    *,
    dry_run: bool = False,
) -> Operation:
    async def work(progress: Progress) -> Any:
        return await revise(here, row, change, plan, progress, dry_run=dry_run)

    return here.operations.start(kind, row.filename, work)
