"""How files that have come become a dataset: read, checked, kept."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from modelforge.api.deps import State
from modelforge.api.keep import keep
from modelforge.contracts.dataset import Change, DatasetUploaded, ReadOptions, Validation
from modelforge.datasets import ingest
from modelforge.datasets.stages import Progress, untold


class File(NamedTuple):
    """A file of ours, to be taken."""

    path: Path
    name: str
    """What it was called where it came from."""


async def arrive(
    here: State,
    files: Sequence[File],
    filename: str,
    change: Change,
    options: ReadOptions,
    progress: Progress = untold,
) -> DatasetUploaded:
    """Make the files, in their order, a version of the dataset ``filename``. One that holds rows already is moved; the
    others stay. Raises what ``ingest.check_files`` and ``ingest.require_examples`` raise, and then has moved none."""
    rows = here.settings.scratch / f".rows-{secrets.token_hex(8)}.partial"
    limit = here.settings.max_upload_mb * 1_000_000
    try:
        report = await ingest.check_files(files, rows=rows, options=options, limit=limit, progress=progress)
        # The contract refuses uploads of which nothing is usable as it is; what is fetched may be mapped here.
        ingest.require_examples(report, mappable=change.how == "import")
        progress(1.0, "keeping it")
        kept = rows if report.converted else files[0].path
        row = await keep(here, kept, filename, report, change)
    finally:
        # In a thread of its own, which goes on where this task is cancelled.
        await asyncio.shield(asyncio.to_thread(rows.unlink, missing_ok=True))
    return DatasetUploaded(
        filename=row.filename,
        num_examples=row.num_examples,
        validation=Validation(**row.report),
        id=row.id,
        version=row.version,
    )
