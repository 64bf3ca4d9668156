"""``python -m modelforge.datasets.revise PLAN``: a new version of a dataset, as the file PLAN tells in JSON.

The rows are written anew by edits, fixes or a mapping, and looked at once more; what was done and what was found is the
reply. ``modelforge.api.revise`` asks, and keeps the result.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelforge.contracts.dataset import ColumnMapping, EditRequest, StepDone
from modelforge.datasets.fixes import Done, Mender
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.mapping import Mapper
from modelforge.datasets.reply import answer, say
from modelforge.datasets.rewrite import Outcome, replace, rewrite, to_line
from modelforge.datasets.validate import validate
from modelforge.errors import InvalidRequest

WRITTEN = 0.5
"""The share of the work that is done when the rows are written; they are checked after that."""


def revise(plan: dict[str, Any]) -> dict[str, Any]:
    """``steps``, ``examples``, and the ``report`` of what was written; no report where nothing was different.

    Raises InvalidRequest for a plan that does not fit the rows, and what reading and writing raise.
    """
    source, target = Path(plan["source"]), Path(plan["target"])
    steps, examples = _WAYS[plan["how"]](plan, source, target)
    if not any(step.changed or step.removed or step.added for step in steps):
        return {"steps": [step.model_dump() for step in steps], "examples": [], "report": None}
    say(WRITTEN, "checking every row")
    return {
        "steps": [step.model_dump() for step in steps],
        "examples": examples,
        "report": asdict(validate(target)),
    }


Steps = tuple[list[StepDone], list[dict[str, Any]]]


def _edit(plan: dict[str, Any], source: Path, target: Path) -> Steps:
    asked = EditRequest.model_validate_json(json.dumps(plan["edits"]))
    lines = {edit.row: to_line(edit.value) for edit in asked.edits} | dict.fromkeys(asked.deletes, b"")
    outcome, last = replace(source, target, lines, [to_line(row) for row in asked.appends], _writing)
    beyond = max(lines, default=0)
    if beyond > last:
        raise InvalidRequest(f"there is no row {beyond}: the last is {last}. What comes after it goes in 'appends'")
    return [_step("edit", outcome)], outcome.examples


def _fix(plan: dict[str, Any], source: Path, target: Path) -> Steps:
    shape = None if plan["shape"] is None else SHAPES.get(plan["shape"])
    mender = Mender(plan["fixes"], shape)
    outcome = rewrite(source, target, mender, _writing)
    return [_fixed(name, done) for name, done in mender.done.items()], outcome.examples


def _map(plan: dict[str, Any], source: Path, target: Path) -> Steps:
    mapper = Mapper(ColumnMapping(**plan["mapping"]))
    outcome = rewrite(source, target, mapper, _writing)
    mapper.check_seen()
    return [_step("map", outcome)], outcome.examples


_WAYS: dict[str, Callable[[dict[str, Any], Path, Path], Steps]] = {"edit": _edit, "fix": _fix, "map": _map}


def _writing(share: float) -> None:
    say(WRITTEN * share, "writing rows")


def _step(name: str, outcome: Outcome) -> StepDone:
    first = sorted({*outcome.changed.rows, *outcome.removed.rows, *outcome.added.rows})
    return StepDone(
        name=name,
        changed=outcome.changed.count,
        removed=outcome.removed.count,
        added=outcome.added.count,
        rows=first,
    )


def _fixed(name: str, done: Done) -> StepDone:
    return StepDone(
        name=name,
        changed=done.changed.count,
        removed=done.removed.count,
        spared=done.spared,
        rows=sorted({*done.changed.rows, *done.removed.rows}),
    )


def main(plan: str) -> int:
    # JSON holds no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    return answer(lambda: revise(json.loads(Path(plan).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
