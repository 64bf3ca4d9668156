"""The one way in for a file: its name made safe, its content checked in a process of its own, its rows read."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modelforge.contracts.dataset import ReadOptions, Source, Validation
from modelforge.contracts.finding import Finding
from modelforge.contracts.training import DEVICE_NAME
from modelforge.datasets import codes
from modelforge.datasets.child import ask
from modelforge.datasets.formats import MIN_EXAMPLES, Shape, usable_rows
from modelforge.datasets.rows import open_regular, read_rows
from modelforge.datasets.sources.kinds import check_ending
from modelforge.datasets.stages import Progress, untold
from modelforge.datasets.validate import Report
from modelforge.errors import InvalidDataset, InvalidRequest

__all__ = [
    "Report",
    "check_ending",
    "check_file",
    "check_files",
    "dataset_name",
    "iter_rows",
    "open_regular",
    "require_examples",
    "safe_filename",
    "to_validation",
]

MAX_BYTES = 20_000_000_000
"""That a file may unpack to, where nobody says otherwise."""
RESERVED = frozenset({"import"})
"""What stands in the API's paths where names of datasets do."""
_MAX_NAME = 255
"""Bytes of a file's name on nearly every file system."""
_FORBIDDEN = re.compile(r'[<>:"|?*]')
"""What cannot stand in a name on Windows."""
_EDGES = re.compile(r"^[\s.]+|[\s.]+$")
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories: controls, what changes the direction of writing, lone surrogates, line and paragraph ends."""


def safe_filename(raw: str) -> str:
    """The name under which a file that a client calls ``raw`` can be kept on every system.

    Folders before it are dropped (of both separators), invisible characters too; the rest is brought into Unicode's
    composed form. ``<>:"|?*`` become ``_``; dots and spaces at the start and at the end go; a name that means a device
    on Windows gets a ``_`` in front; a name of more than 255 bytes is cut before its ending. A safe name stays as it
    is. Raises InvalidRequest where nothing is left.
    """
    name = re.split(r"[/\\]", raw)[-1]
    name = "".join(char for char in name if unicodedata.category(char) not in _INVISIBLE)
    name = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", unicodedata.normalize("NFC", name)))
    name = _EDGES.sub("", name)
    if not name:
        raise InvalidRequest("the file has no name that it could be kept under; give it one, such as data.jsonl")
    if DEVICE_NAME.match(name):
        name = f"_{name}"
    if len(name.encode()) > _MAX_NAME:
        stem, dot, ending = name.rpartition(".")
        ending = f".{ending}" if dot and len(ending.encode()) < 16 else ""
        stem = stem if ending else name
        stem = stem.encode()[: _MAX_NAME - len(ending.encode())].decode(errors="ignore")
        name = _EDGES.sub("", stem) + ending
    return name


def dataset_name(raw: str) -> str:
    """``safe_filename`` for what a dataset is called. Raises InvalidRequest for a name that is an address of its own
    beside those of datasets."""
    name = safe_filename(raw)
    if name in RESERVED:
        raise InvalidRequest(
            f"no dataset can be called '{name}', for /api/datasets/{name} is something else: add an ending"
        )
    return name


def require_examples(report: Report, *, mappable: bool = False) -> None:
    """Raises InvalidDataset, with the first problems, where too few rows can be trained on; ``mappable`` counts those
    that can be once their columns are mapped: questions about a text that are answered in other words."""
    told = codes.ANSWER_NOT_IN_CONTEXT.name
    otherwise = sum(found["count"] for found in report.findings if found["code"] == told) if mappable else 0
    if report.num_examples + otherwise < MIN_EXAMPLES:
        found = f"{report.num_examples or 'no'} usable example{'s' if report.num_examples != 1 else ''}"
        problems = "".join(f" {error}." for error in report.errors[:3])
        more = f" {len(report.errors) - 3} more kinds of problem." if len(report.errors) > 3 else ""
        raise InvalidDataset(
            f"{found} among {report.num_rows} rows; at least {MIN_EXAMPLES} are needed.{problems}{more}"
        )


def to_validation(report: Report) -> Validation:
    """The report as clients see it."""
    return Validation(
        valid=report.valid,
        errors=report.errors,
        shape=report.shape,
        num_rows=report.num_rows,
        num_bad=report.num_bad,
        findings=[Finding(**finding) for finding in report.findings],
        source=None if report.source is None else Source(**report.source),
    )


async def check_file(
    path: Path,
    filename: str | None = None,
    *,
    rows: Path | None = None,
    options: ReadOptions | None = None,
    limit: int = MAX_BYTES,
) -> Report:
    """``check_files`` of one. ``filename`` is the name that the file came under, where ``path`` has another."""
    named = path.name if filename is None else filename
    return await check_files([(path, named)], rows=rows, options=options, limit=limit)


async def check_files(
    files: Sequence[tuple[Path, str]],
    *,
    rows: Path | None = None,
    options: ReadOptions | None = None,
    limit: int = MAX_BYTES,
    progress: Progress = untold,
) -> Report:
    """What is in files that make one dataset, in this order, however bad their rows are; each with the name that it
    came under. Takes as long as it takes; a cancelled check ends at once.

    The report is about the one file as it lies there; where it says ``converted``, about the rows that were written to
    ``rows``, which must not be there yet (None: they are not kept). An archive may unpack to ``limit`` bytes.

    Raises NotFound or InvalidRequest where a path names no readable regular file, and for options that don't fit;
    UnsupportedMedia for what is of no kind that is read, InvalidDataset for what is broken, has no rows, or is not one
    dataset; TooLarge above the limit, Fault when the checking process broke. Then nothing is left of ``rows``.
    """
    for _, name in files:
        check_ending(name)
    options = options or ReadOptions()
    # Beside the rows, where there is room for them; what a process that was ended left in it goes with it.
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, ".partial", ".check-", rows and rows.parent))
    request = {
        "files": [(str(path.absolute()), name) for path, name in files],
        "rows": str((rows or folder / "rows").absolute()),
        "folder": str(folder.absolute()),
        "reading": options.model_dump(exclude={"name"}),
        "limit": limit,
    }
    report, asked = None, folder / "request.json"
    try:
        await asyncio.to_thread(asked.write_text, json.dumps(request), "utf-8")
        report = Report(**await ask("datasets.check", [str(asked)], progress))
        return report
    finally:
        if report is None and rows is not None:
            await asyncio.shield(asyncio.to_thread(rows.unlink, missing_ok=True))
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


def iter_rows(path: Path, shape: Shape) -> Iterator[tuple[int, dict[str, Any]]]:
    """The usable rows of a file, in constant memory: line number (from 1) and the row as ``Shape.read`` gives it.

    What ``check_file`` counts as ``num_examples`` is what comes. Raises what ``open_regular`` raises.
    """
    with open_regular(path) as stream:
        yield from usable_rows(read_rows(stream), shape)
