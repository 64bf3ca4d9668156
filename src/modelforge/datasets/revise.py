"""``python -m modelforge.datasets.revise PLAN``: a new version of a dataset, as the file PLAN tells in JSON.

The rows are written anew by edits, fixes or a mapping, and looked at once more; what was done and what was found is the
reply. ``modelforge.api.revise`` asks, and keeps the result.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelforge.datasets.fixes import Done, Mender, Remover
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.mapping import Mapper
from modelforge.datasets.places import Places
from modelforge.datasets.reply import answer, say
from modelforge.datasets.rewrite import Outcome, replace, rewrite, to_line
from modelforge.datasets.validate import Report, validate
from modelforge.errors import InvalidRequest

WRITTEN = 0.5
"""The share of the work that is done when the rows are written; they are checked after that."""
_ROUNDS = 5
"""Of looking for doubles, until there is none: of the rows that are left, others are compared than before."""


def revise(plan: dict[str, Any]) -> dict[str, Any]:
    """``steps``, ``examples``, how many rows were ``removed``, ``changed`` and ``added``, and the ``report`` of what is
    there now; no report where nothing was different.

    Raises InvalidRequest for a plan that does not fit the rows, and what reading and writing raise.
    """
    source, target = Path(plan["source"]), Path(plan["target"])
    outcome, steps = _WAYS[plan["how"]](plan, source, target)
    if outcome.touched:
        say(WRITTEN, "checking every row")
    return {
        "steps": steps,
        "examples": outcome.examples,
        "removed": outcome.removed.count,
        "changed": outcome.changed.count,
        "added": outcome.added.count,
        "report": asdict(_checked(target, plan["read_from"])) if outcome.touched else None,
    }


def _checked(path: Path, source: dict[str, Any] | None) -> Report:
    """Messages name rows as the file does that the first version was read from."""
    report = validate(path)
    if not source or not source["parts"]:
        return dataclasses.replace(report, source=source)
    places = Places(source["parts"])
    told = [finding for finding in report.findings if finding["severity"] == "error"]
    # That no shape is known is said of the whole.
    errors = [found["message"] if found["message"] in report.errors else places.entry(found) for found in told]
    return dataclasses.replace(report, source=source, errors=errors)


Step = dict[str, Any]
"""A ``contracts.version.StepDone``."""
Revised = tuple[Outcome, list[Step]]


def _edit(plan: dict[str, Any], source: Path, target: Path) -> Revised:
    lines = {edit["row"]: to_line(edit["value"]) for edit in plan["edits"]} | dict.fromkeys(plan["deletes"], b"")
    outcome, last = replace(source, target, lines, [to_line(row) for row in plan["appends"]], _writing)
    beyond = max(lines, default=0)
    if beyond > last:
        raise InvalidRequest(f"there is no row {beyond}: the last is {last}. What comes after it goes in 'appends'")
    return outcome, [_step("edit", outcome)]


def _fix(plan: dict[str, Any], source: Path, target: Path) -> Revised:
    shape = None if plan["shape"] is None else SHAPES.get(plan["shape"])
    mender = Mender(plan["fixes"], shape)
    outcome = rewrite(source, target, mender, _writing, mender.begin)
    steps = [_fixed(name, done) for name, done in mender.done.items()]
    for name in ("drop_exact_duplicates", "drop_near_duplicates"):
        if name in plan["fixes"]:
            steps.append(_fixed(name, _without_doubles(name, plan["shape"], target, outcome, mender.changed)))
    return outcome, steps


def _without_doubles(name: str, shape: str, path: Path, outcome: Outcome, changed: array[int]) -> Done:
    """Remove rows in place, and count them in ``outcome``; those that had ``changed`` before are removed now."""
    from modelforge.datasets import doubles  # noqa: PLC0415 - numpy and more, for this alone

    find, done = doubles.exact if name == "drop_exact_duplicates" else doubles.near, Done()
    for _ in range(_ROUNDS):
        found = find(path, shape, path.parent)
        if not len(found):
            break
        lines = array("q", found.tobytes())  # as numbers of Python's own they would take four times as much
        rewritten = path.with_name(f"{path.name}.without")
        removed = rewrite(path, rewritten, Remover(lines), _writing).removed
        rewritten.replace(path)
        done.removed.take(removed)
        outcome.removed.take(removed)
        outcome.changed.drop(doubles.shared(found, changed))
    return done


def _map(plan: dict[str, Any], source: Path, target: Path) -> Revised:
    mapper = Mapper(**plan["mapping"])
    outcome = rewrite(source, target, mapper, _writing)
    mapper.check_seen()
    return outcome, [_step("map", outcome)]


_WAYS: dict[str, Callable[[dict[str, Any], Path, Path], Revised]] = {"edit": _edit, "fix": _fix, "map": _map}


def _writing(share: float) -> None:
    say(WRITTEN * share, "writing rows")


def _step(name: str, outcome: Outcome) -> Step:
    return {
        "name": name,
        "changed": outcome.changed.count,
        "removed": outcome.removed.count,
        "added": outcome.added.count,
        "rows": sorted({*outcome.changed.rows, *outcome.removed.rows, *outcome.added.rows}),
    }


def _fixed(name: str, done: Done) -> Step:
    return {
        "name": name,
        "changed": done.changed.count,
        "removed": done.removed.count,
        "spared": done.spared,
        "rows": sorted({*done.changed.rows, *done.removed.rows}),
    }


def main(plan: str) -> int:
    # JSON holds no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    return answer(lambda: revise(json.loads(Path(plan).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
