"""Which of a workbook's sheets are the dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from modelforge.datasets.problems import shown
from modelforge.datasets.sources.base import Reading, Table
from modelforge.datasets.sources.faults import Fault
from modelforge.datasets.sources.grid import Cells, grid
from modelforge.errors import InvalidRequest, did_you_mean

_TOLD = 10
"""Sheets in a note."""


class Sheet(NamedTuple):
    """One of a workbook's."""

    name: str
    hidden: bool
    records: Callable[[], Iterator[Cells | Fault | None]]
    """Its rows, the first of them row 1; None for one without a cell."""


def tables(sheets: Sequence[Sheet], reading: Reading) -> Iterator[Table]:
    """The sheets whose columns are those of the first that has rows, one after the other; or the one asked for."""
    chosen = [sheet for sheet in sheets if reading.sheet in (None, sheet.name)]
    if not chosen and reading.sheet is not None:
        names = [sheet.name for sheet in sheets]
        raise InvalidRequest(
            f"sheet: the workbook has no sheet {shown(reading.sheet)}; it has {', '.join(map(shown, names[:20]))}."
            f"{did_you_mean(reading.sheet, names)}"
        )
    columns: tuple[str, ...] | None = None
    notes: list[str] = []
    skipped: list[str] = []
    for sheet in chosen:
        if sheet.hidden and reading.sheet is None:
            skipped.append(f"{shown(sheet.name)} (hidden)")
            continue
        found = grid(sheet.records(), reading.header, ragged=True)
        if found is None:
            skipped.append(f"{shown(sheet.name)} (empty)")
        elif columns not in (None, found.columns):
            skipped.append(f"{shown(sheet.name)} (other columns)")
        else:
            if columns is None:
                columns, notes = found.columns, found.notes
            yield Table(found.items, "row", found.first, sheet.name, notes=found.notes)
    if skipped:
        more = f" and {len(skipped) - _TOLD} more" if len(skipped) > _TOLD else ""
        notes.append(f"sheets left out: {', '.join(skipped[:_TOLD])}{more}")
