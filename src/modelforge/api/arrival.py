"""How files that have come become a dataset: read, checked, kept."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anyio import to_thread

from modelforge.api.deps import State
from modelforge.api.keep import keep
from modelforge.contracts.dataset import Change, DatasetUploaded, Validation
from modelforge.datasets import ingest
from modelforge.datasets.child import Progress


class File(NamedTuple):
    """A file of ours, to be taken."""

    path: Path
    name: str
    """What it was called where it came from."""


async def arrive(
    here: State, files: Sequence[File], filename: str, change: Change, progress: Progress
) -> DatasetUploaded:
    """Make the files, in their order, a version of the dataset ``filename``. They are gone when that is done, and stay
    where it is refused; raises what ``ingest.admit`` raises."""
    progress(0.0, "checking every row")
    file = files[0] if len(files) == 1 else await asyncio.to_thread(_join, files)
    report = await ingest.admit(file.path, file.name)
    progress(1.0, "keeping it")
    row = await to_thread.run_sync(keep, here, file.path, filename, report, change)
    return DatasetUploaded(
        filename=row.filename,
        num_examples=row.num_examples,
        validation=Validation(**row.report),
        id=row.id,
        version=row.version,
    )


def _join(files: Sequence[File]) -> File:
    """All of them in one."""
    whole = files[0].path.with_name("rows.jsonl")
    with whole.open("xb") as out:
        for file in files:
            with file.path.open("rb") as rows:
                shutil.copyfileobj(rows, out, 1 << 20)
            out.write(b"\n")
    return File(whole, files[0].name)
