"""``python -m modelforge.datasets.check REQUEST``: what is in files, as ``reply`` says it. The file REQUEST says in
which, in JSON: a thousand paths are more than a command line holds.

The server checks files in this process, so that its own event loop and interpreter stay free. What comes as JSON Lines
is checked as it lies there, with the standard library alone; all else is converted into them first.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from modelforge.datasets.convert import Converted, convert, is_kept
from modelforge.datasets.places import Places
from modelforge.datasets.reply import answer, say
from modelforge.datasets.sources.base import Reading
from modelforge.datasets.stages import Progress, Stages, untold
from modelforge.datasets.validate import Report, validate
from modelforge.errors import DiskFull, InvalidDataset
from modelforge.files import is_disk_full
from modelforge.processes import limit_memory

MEMORY_BYTES = 4_000_000_000
"""Rows of the largest size take some hundred million; a hostile file may ask for all there is."""
_CONVERTING, _CHECKING = "reading", "checking every row"


def main(request: str) -> int:
    """``request`` names a file with an object of JSON: ``files`` (pairs of path and name), ``rows`` (the path for
    converted rows), ``folder`` (a folder for what lies there in between), ``reading`` and ``limit``.

    Exit status: 0 with a report, 2 for files that cannot be read as a dataset.
    """
    # JSON holds no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    limit_memory(MEMORY_BYTES)
    asked = json.loads(Path(request).read_text(encoding="utf-8"))
    # The system's own folder for files in between is often kept in memory.
    tempfile.tempdir = asked["folder"]
    return answer(lambda: asdict(check(**asked, say=say)))


def check(
    files: list[list[str]], rows: str, folder: str, reading: dict[str, Any], limit: int, say: Progress = untold
) -> Report:
    """The report on the files' rows; they are at ``rows`` where its ``converted`` says so, else in the one file."""
    given = [(Path(path), name) for path, name in files]
    how = Reading(**reading)
    if is_kept(given, how):
        path, _ = given[0]
        return replace(
            validate(path, tell=Stages({_CHECKING: 1.0}, say).begin(_CHECKING, 1.0)),
            source={"format": "jsonl", "encoding": "utf-8", "delimiter": None, "parts": [], "notes": []},
        )
    stages = Stages({_CONVERTING: 2.0, _CHECKING: 1.0}, say)
    size = sum(path.stat().st_size for path, _ in given if path.is_file())  # else the reading says why
    try:
        converted = convert(given, Path(rows), Path(folder), how, limit, stages.begin(_CONVERTING, size))
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull("the disk that rows are written to is full; make room and try again") from error
        raise
    if converted.empty:
        places = Places(converted.source["parts"])
        why = [*map(places.entry, converted.findings), *converted.source["notes"]]
        none = "there is no row in it that can be read" if converted.num_bad else "there is no row in it"
        raise InvalidDataset(". ".join([none, *why]))
    return _merged(validate(Path(rows), tell=stages.begin(_CHECKING, 1.0)), converted)


def _merged(report: Report, converted: Converted) -> Report:
    """Rows that could not be read are rows, and bad ones."""
    findings = sorted([*converted.findings, *report.findings], key=lambda found: found["rows"][:1] or [0])
    places = Places(converted.source["parts"])
    return replace(
        report,
        num_rows=report.num_rows + converted.num_bad,
        num_bad=report.num_bad + converted.num_bad,
        findings=findings,
        errors=[_entry(found, places, report) for found in findings if found["severity"] == "error"],
        source=converted.source,
        converted=True,
    )


def _entry(found: dict[str, Any], places: Places, report: Report) -> str:
    # That no shape is known is said of the whole, not of rows.
    return found["message"] if found["message"] in report.errors else places.entry(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
