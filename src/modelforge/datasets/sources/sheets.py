"""Which of a workbook's sheets are the dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from modelforge.datasets.formats import SHAPES
from modelforge.datasets.problems import shown
from modelforge.datasets.sources.base import Reading, Table
from modelforge.datasets.sources.grid import Record, grid
from modelforge.errors import InvalidDataset, InvalidRequest, did_you_mean

_TOLD = 10
"""Sheets in a note."""


class Sheet(NamedTuple):
    """One of a workbook's."""

    name: str
    hidden: bool
    records: Callable[[], Iterator[Record]]
    """Its rows, the first of them row 1; None for one without a cell."""


def tables(sheets: Sequence[Sheet], reading: Reading) -> Iterator[Table]:
    """The sheets that have the columns of the first that is a table, one after the other; or the one asked for."""
    chosen = [sheet for sheet in sheets if reading.sheet in (None, sheet.name)]
    if not chosen and reading.sheet is not None:
        names = [sheet.name for sheet in sheets]
        raise InvalidRequest(
            f"sheet: the workbook has no sheet {shown(reading.sheet)}; it has {', '.join(map(shown, names[:20]))}."
            f"{did_you_mean(reading.sheet, names)}"
        )
    columns = _columns(chosen, reading)
    notes: list[str] = []
    skipped: list[str] = []
    for sheet in chosen:
        if sheet.hidden and reading.sheet is None:
            skipped.append(f"{shown(sheet.name)} (hidden)")
            continue
        try:
            found = grid(sheet.records(), reading.header, ragged=True)
        except InvalidDataset:
            if columns is None:
                raise
            skipped.append(f"{shown(sheet.name)} (without names of columns)")
            continue
        if found is None:
            skipped.append(f"{shown(sheet.name)} (empty)")
        elif found.columns != columns:
            skipped.append(f"{shown(sheet.name)} (other columns)")
        else:
            notes = found.notes
            yield Table(found.items, "row", found.first, sheet.name, notes=found.notes)
    if skipped:
        more = f" and {len(skipped) - _TOLD} more" if len(skipped) > _TOLD else ""
        notes.append(f"sheets left out: {', '.join(skipped[:_TOLD])}{more}")


def _columns(sheets: Sequence[Sheet], reading: Reading) -> tuple[str, ...] | None:
    """Those of the first sheet that has a known shape; else of the first with several columns: what stands before it is
    a cover, or says how to fill it in. Else of the first with a cell."""
    found: list[tuple[str, ...]] = []
    for sheet in sheets:
        if sheet.hidden and reading.sheet is None:
            continue
        with suppress(InvalidDataset):  # told of where it is read
            looked = grid(sheet.records(), reading.header, ragged=True)
            if looked is not None:
                found.append(looked.columns)
                if any(not shape.form_of(looked.columns)[1] for shape in SHAPES):
                    return looked.columns
    return next((columns for columns in found if len(columns) > 1), found[0] if found else None)
