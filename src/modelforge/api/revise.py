"""New versions of a dataset, made of an earlier one: a process writes and checks the rows, and this one keeps them."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from anyio import to_thread

from modelforge.api.deps import State
from modelforge.api.keep import keep
from modelforge.contracts.dataset import Change, Validation
from modelforge.contracts.version import DatasetRevised, RowChange, StepDone
from modelforge.datasets.child import ask
from modelforge.datasets.formats import MIN_EXAMPLES
from modelforge.datasets.ingest import Report, to_validation
from modelforge.datasets.paging import showable
from modelforge.datasets.stages import Progress, untold
from modelforge.errors import InvalidDataset
from modelforge.store.tables import DatasetRow

NOTHING = "nothing to change"


async def revise(
    here: State,
    parent: DatasetRow,
    change: Change,
    plan: dict[str, Any],
    progress: Progress,
    *,
    dry_run: bool = False,
) -> DatasetRevised:
    """Make the version that ``plan`` describes (``datasets.revise``), or only tell what it would be.

    ``change`` gets its summary here. Raises InvalidDataset where too few rows could be trained on, what the process
    refuses, and what ``keep`` raises. Whatever ends it, nothing stays behind.
    """
    async with scratch(here) as folder:
        target = folder / "rows"
        plan = {**plan, "source": parent.path, "target": str(target), "read_from": parent.report.get("source")}
        told = await ask_about("datasets.revise", plan, folder, progress)
        steps = [StepDone(**step) for step in told["steps"]]
        summary = in_words(told)
        if told["report"] is None:
            return _revised(parent, parent, NOTHING, steps, [], Validation(**parent.report), made=False)
        report = Report(**told["report"])
        examples = [
            RowChange(row=each["row"], before=showable(each["before"]), after=showable(each["after"]))
            for each in told["examples"]
        ]
        if report.num_examples < MIN_EXAMPLES:
            raise InvalidDataset(_too_few(report, summary))
        if dry_run:
            revised = _revised(parent, parent, summary, steps, examples, to_validation(report), made=False)
            return revised.model_copy(update={"num_examples": report.num_examples})
        change = change.model_copy(
            update={"summary": summary, "details": {**change.details, "steps": [step.model_dump() for step in steps]}}
        )
        row = await keep(here, target, parent.filename, report, change, parent)
    return _revised(row, parent, summary, steps, examples, to_validation(report), made=True)


@asynccontextmanager
async def scratch(here: State) -> AsyncIterator[Path]:
    """A folder that is gone at the end."""
    folder = here.settings.scratch / f".revision-{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        # In a thread of its own, which goes on where this task is cancelled once more.
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


async def ask_about(module: str, plan: dict[str, Any], folder: Path, progress: Progress = untold) -> Any:
    """``ask`` with more than belongs on a command line, which every user of the machine can read."""
    path = folder / "plan.json"
    await to_thread.run_sync(_write, path, plan)
    return await ask(module, [str(path)], progress)


def _write(path: Path, plan: dict[str, Any]) -> None:
    path.write_text(json.dumps(plan), encoding="utf-8")


def in_words(counts: Mapping[str, int]) -> str:
    """``12 rows removed, 3 changed``."""
    told = [(counts[what], what) for what in ("removed", "changed", "added") if counts[what]]
    (first, what), *others = told or [(0, "changed")]
    return ", ".join([f"{first} row{'' if first == 1 else 's'} {what}", *(f"{count} {what}" for count, what in others)])


def _too_few(report: Report, summary: str) -> str:
    problems = "".join(f" {error}." for error in report.errors[:3])
    return (
        f"{summary}: {report.num_examples or 'no'} usable rows would be left, and at least {MIN_EXAMPLES} are needed, "
        f"so no version was made.{problems}"
    )


def _revised(
    row: DatasetRow,
    parent: DatasetRow,
    summary: str,
    steps: list[StepDone],
    examples: list[RowChange],
    validation: Validation,
    *,
    made: bool,
) -> DatasetRevised:
    return DatasetRevised(
        filename=row.filename,
        made=made,
        version=row.version,
        id=row.id,
        parent=parent.version,
        summary=summary,
        num_examples=row.num_examples,
        steps=steps,
        examples=examples,
        validation=validation,
    )
