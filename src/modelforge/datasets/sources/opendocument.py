"""OpenDocument spreadsheets (.ods), read event by event: a sheet of a million rows takes no more memory than one of
ten. A library would hold them whole, and write out all that is only said to repeat itself.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import IO, NamedTuple

from modelforge.datasets.rows import MAX_LINE, Observe
from modelforge.datasets.sources.archive import check_size
from modelforge.datasets.sources.base import Reading, Table
from modelforge.datasets.sources.excel import number_told
from modelforge.datasets.sources.faults import CELL_ERROR, NO_VALUE, TOO_LONG, Fault
from modelforge.datasets.sources.grid import Cells, Flawed, Record
from modelforge.datasets.sources.markup import parser, part_of, pieces, workbook
from modelforge.datasets.sources.sheets import Sheet, tables
from modelforge.errors import InvalidDataset

TYPES = ("application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet-template")
"""What the archive's first file, ``mimetype``, says."""
_CONTENT = "content.xml"
_MANIFEST = "META-INF/manifest.xml"
_ROWS, _COLUMNS = 1_048_576, 16_384
"""That a sheet can have."""
_SHEETS = 10_000
_NAME = 200
"""Characters of a name that are kept."""

_ODF = "urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TABLE, _TEXT, _STYLE = (f"{_ODF}{name}:1.0 " for name in ("office", "table", "text", "style"))
_LOCKED = f"{_ODF}manifest:1.0 encryption-data"
_CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 "
"""LibreOffice's own."""
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_BOOK = _OFFICE + "spreadsheet"
_SHEET = _TABLE + "table"
_ROW = _TABLE + "table-row"
_ROWS_REPEATED = _TABLE + "number-rows-repeated"
_CELLS_REPEATED = _TABLE + "number-columns-repeated"
_FORMULA = _TABLE + "formula"
_TYPE = _OFFICE + "value-type"
_CALC_TYPE = _CALC + "value-type"
_PARAGRAPH = _TEXT + "p"
_PASSED = frozenset({f"{_TABLE}shapes", _SHEET, f"{_OFFICE}annotation", f"{_TEXT}ruby-text", f"{_TEXT}note"})
"""What may stand within a sheet and is none of its text: pictures, comments, how words are pronounced."""
_BLANKS = re.compile("[ \t\r\n]+")
_SPACE, _TAB, _BREAK = "\x01", "\x02", "\x03"
"""White space that is meant, until that is put together which is not."""
_MEANT = str.maketrans({_SPACE: " ", _TAB: "\t", _BREAK: "\n"})
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,]\d+)?S)?")


def read(path: Path, reading: Reading) -> Iterator[Table]:
    """As an Excel workbook. Its sheets are all in one part, which is read for their names, for how they begin, and for
    their rows."""
    with workbook(path, reading._replace(observe=_halved(reading.observe))) as archive:
        if _MANIFEST in archive.namelist() and _is_locked(part_of(archive, _MANIFEST)):
            raise InvalidDataset("the workbook is locked by a password; save it without one")
        named = _names(archive)
        sheets = _Sheets(archive, path.stat().st_size)
        found = [Sheet(name, hidden, partial(sheets.rows, number)) for number, (name, hidden) in enumerate(named)]
        yield from tables(found, reading)


def _halved(observe: Observe | None) -> Observe | None:
    return None if observe is None else lambda count: observe(count // 2)


def _is_locked(manifest: bytes) -> bool:
    locked = False

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal locked
        locked = locked or name == _LOCKED

    parser(start, separator=" ").Parse(manifest, True)
    return locked


def _names(archive: zipfile.ZipFile) -> list[tuple[str, bool]]:
    """Each sheet's name, and whether it is hidden, in their order."""
    found: list[tuple[str, bool]] = []
    hidden: set[str] = set()
    style, depth, inside = "", 0, 0

    def start(name: str, given: dict[str, str]) -> None:
        nonlocal style, depth, inside
        depth += 1
        if name == _BOOK:
            inside = depth
        elif name == f"{_STYLE}style":
            style = given.get(f"{_STYLE}name", "")[:_NAME]
        elif name == f"{_STYLE}table-properties" and given.get(f"{_TABLE}display") == "false":
            if len(hidden) < _SHEETS:
                hidden.add(style)
        elif name == _SHEET and depth == inside + 1:
            if len(found) == _SHEETS:
                raise InvalidDataset(f"the workbook has more than {_SHEETS} sheets")
            style = given.get(f"{_TABLE}style-name", "")[:_NAME]
            found.append((given.get(f"{_TABLE}name", "")[:_NAME], style in hidden))

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    with archive.open(_CONTENT) as stream:
        for _ in pieces(stream, parser(start, end, separator=" ")):
            pass
    return found


class _Run(NamedTuple):
    """Rows of a sheet that are the same."""

    sheet: int
    record: Record
    times: int


class _Sheets:
    """All sheets, in one stream. It begins anew where one is asked for that has passed."""

    def __init__(self, archive: zipfile.ZipFile, packed: int) -> None:
        self._archive = archive
        self._packed = packed
        self._runs: Iterator[_Run] = iter(())
        self._next: _Run | None = None
        self._asked: int | None = None
        self._blank = 0

    def rows(self, sheet: int) -> Iterator[Record]:
        """Those of the n-th sheet, without what is blank at its end."""
        if self._asked is None or sheet <= self._asked:
            self._runs, self._next, self._blank = self._read(), None, 0
        self._asked = sheet
        blank = number = 0
        for run in self._of(sheet):
            number += run.times
            if number > _ROWS and run.record is not None:
                raise InvalidDataset(f"a sheet of the workbook has more than {_ROWS} rows, as none can have")
            if run.record is None:
                blank += run.times
                continue
            self._blank += blank
            check_size(self._blank, self._packed, None)
            yield from repeat(None, blank)
            blank = 0
            for _ in range(run.times):
                # Whoever is given it may change it.
                yield list(run.record) if isinstance(run.record, list) else run.record

    def _of(self, sheet: int) -> Iterator[_Run]:
        while True:
            run = self._next or next(self._runs, None)
            self._next = None
            if run is None:
                return
            if run.sheet > sheet:
                self._next = run
                return
            if run.sheet == sheet:
                yield run

    def _read(self) -> Iterator[_Run]:
        with self._archive.open(_CONTENT) as stream:
            yield from _Content(self._packed).read(stream)


class _Content:
    """The XML of all sheets: rows of cells."""

    def __init__(self, packed: int) -> None:
        self._packed = packed
        self._repeated = 0
        """Bytes that were only said to stand there again."""
        self._done: list[_Run] = []
        self._depth = self._inside = self._passed = 0
        """How deep the present element stands; the spreadsheet's; what is passed, 0 for nothing."""
        self._sheet, self._table = -1, 0
        self._row = self._number = self._count = 0
        self._cells: Cells = []
        self._faults: dict[int, Fault] = {}
        self._fault: Fault | None = None
        self._size = self._length = 0
        """Characters of the row's cells, and of what stands in the present one."""
        self._cell = self._column = self._copies = 0
        self._given: dict[str, str] = {}
        self._lines: list[str] = []
        self._text = 0
        self._pieces: list[str] = []

    def read(self, stream: IO[bytes]) -> Iterator[_Run]:
        for _ in pieces(stream, parser(self._start, self._end, self._add, " ")):
            yield from self._done
            self._done.clear()

    def _start(self, name: str, given: dict[str, str]) -> None:
        self._depth += 1
        if self._passed:
            return
        if not self._table:
            if name == _BOOK:
                self._inside = self._depth
            elif name == _SHEET and self._depth == self._inside + 1:
                self._table = self._depth
                self._sheet += 1
                self._number = 0
        elif name in _PASSED:
            self._passed = self._depth
        elif not self._row:
            if name == _ROW:
                self._row, self._count = self._depth, _number(given.get(_ROWS_REPEATED))
                self._cells, self._column, self._fault, self._size = [], 0, None, 0
                self._faults = {}
        elif not self._cell:
            if name in _CELLS:
                self._cell, self._copies = self._depth, _number(given.get(_CELLS_REPEATED))
                self._given, self._length = given, 0
                self._lines.clear()
        elif not self._text:
            if name == _PARAGRAPH and self._depth == self._cell + 1:
                self._text = self._depth
                self._pieces.clear()
                self._length += 1
        elif name == f"{_TEXT}s":
            self._add(_SPACE, _number(given.get(f"{_TEXT}c")))
        elif name == f"{_TEXT}tab":
            self._add(_TAB)
        elif name == f"{_TEXT}line-break":
            self._add(_BREAK)

    def _end(self, _: str) -> None:
        depth, self._depth = self._depth, self._depth - 1
        if self._passed:
            if depth == self._passed:
                self._passed = 0
        elif depth == self._text:
            self._text = 0
            if self._length <= MAX_LINE:
                self._lines.append(_BLANKS.sub(" ", "".join(self._pieces)).strip(" ").translate(_MEANT))
        elif depth == self._cell:
            self._cell = 0
            self._end_cell()
        elif depth == self._row:
            self._row = 0
            self._end_row()
        elif depth == self._table:
            self._table = 0

    def _add(self, text: str, times: int = 1) -> None:
        if self._text and not self._passed:
            self._length += len(text) * times
            if self._length <= MAX_LINE:
                self._pieces.append(text * times)

    def _end_cell(self) -> None:
        column, self._column = self._column, min(self._column + self._copies, _COLUMNS)
        if self._fault is not None or column == _COLUMNS:
            return
        text = "\n".join(self._lines)
        if self._given.get(_CALC_TYPE) == "error":
            self._lacks(column, CELL_ERROR._replace(place=f"{text[:20]} in {self._place(column)}"))
            return
        kind = self._given.get(_TYPE)
        if kind is None and not text and _FORMULA in self._given:
            self._lacks(column, NO_VALUE._replace(place=self._place(column)))
            return
        told = _told(kind, text, self._given)
        if told or self._length > MAX_LINE:
            copies = self._column - column
            self._size += len(told) * copies
            if max(self._size, self._length) > MAX_LINE:
                self._fault = TOO_LONG
                return
            self._cells += [""] * (column - len(self._cells))
            self._cells += [told] * copies

    def _lacks(self, column: int, why: Fault) -> None:
        """These copies of a cell are empty, and why."""
        self._faults |= dict.fromkeys(range(column, self._column), why)

    def _end_row(self) -> None:
        self._number += self._count
        record: Record = self._fault or self._cells or None
        if self._faults and self._fault is None:
            record = Flawed(self._cells, self._faults)
        if record is not None:
            self._repeated += (self._size + len(self._cells)) * (self._count - 1)
            check_size(self._repeated, self._packed, None)
        self._done.append(_Run(self._sheet, record, self._count))

    def _place(self, column: int) -> str:
        letters, number = "", column + 1
        while number:
            number, letter = divmod(number - 1, 26)
            letters = chr(65 + letter) + letters
        return f"cell {letters}{self._number + 1}"


def _told(kind: str | None, text: str, given: dict[str, str]) -> str:
    """A cell's value, as those of an Excel workbook are told; its text, where it has one that is no number's or
    date's."""
    if kind in ("float", "percentage", "currency"):
        value = given.get(f"{_OFFICE}value", "")
        try:
            return number_told(float(value))
        except (ValueError, OverflowError):
            return value or text
    if kind == "boolean":
        return given.get(f"{_OFFICE}boolean-value", text).upper()
    if kind == "date":
        return given.get(f"{_OFFICE}date-value", text).removesuffix("T00:00:00")
    if kind == "time":
        found = _DURATION.fullmatch(given.get(f"{_OFFICE}time-value", ""))
        return ":".join(f"{int(part or 0):02}" for part in found.groups()) if found else text
    return text or given.get(f"{_OFFICE}string-value", "")


def _number(written: str | None) -> int:
    """How often something stands there."""
    return max(1, int(written)) if written is not None and written.isdecimal() and len(written) < 10 else 1
