"""Workbooks of Excel 97 to 2003 (.xls). A sheet has at most 65 536 rows of 256 cells: it may be held whole."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelforge.datasets.sources.base import Reading, Table
from modelforge.datasets.sources.excel import number_told
from modelforge.datasets.sources.grid import Cells
from modelforge.datasets.sources.sheets import Sheet, tables
from modelforge.errors import InvalidDataset

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook


def read(path: Path, reading: Reading) -> Iterator[Table]:
    """As a newer workbook; a formula without a value is an empty cell here, which these files do not tell apart."""
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415 - for these alone

    try:
        book = CalamineWorkbook.from_path(path)
        if reading.observe is not None:
            reading.observe(path.stat().st_size)  # all of it, at once
        sheets = [
            Sheet(sheet.name, sheet.visible != SheetVisibleEnum.Visible, partial(_records, book, sheet.name))
            for sheet in book.sheets_metadata
        ]
        yield from tables(sheets, reading)
    except CalamineError as error:
        raise InvalidDataset(
            f"the workbook is damaged, or locked by a password ({str(error)[:100]}): open it in a spreadsheet and save "
            "it as .xlsx, without one"
        ) from error


def _records(book: CalamineWorkbook, name: str) -> Iterator[Cells | None]:
    for row in book.get_sheet_by_name(name).iter_rows():
        yield [_told(cell) for cell in row]


def _told(cell: Any) -> str:
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, int | float):
        return number_told(cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return str(cell)
