"""Excel workbooks (.xlsx), read event by event: a sheet of a million rows takes no more memory than one of ten.

A library would give values; only the file itself tells a formula that was never calculated from an empty cell, and a
date from a number.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import IO

from modelforge.datasets.rows import MAX_LINE
from modelforge.datasets.sources.base import Reading, Table
from modelforge.datasets.sources.faults import CELL_ERROR, NO_VALUE, TOO_LONG, Fault
from modelforge.datasets.sources.grid import Cells, Flawed, Record
from modelforge.datasets.sources.markup import PIECE, parser, part_of, pieces, workbook
from modelforge.datasets.sources.sheets import Sheet, tables
from modelforge.datasets.sources.spool import Spool
from modelforge.errors import InvalidDataset

_ROWS, _COLUMNS = 1_048_576, 16_384
"""That a sheet can have."""
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Numbers of the built-in formats that show dates and times."""
_LITERAL = re.compile(r'"[^"]*"|\[(?!(?:h+|m+|s+)\])[^\]]*\]|\\.|_.', re.IGNORECASE)
"""In a format: quoted words, colours and places, escaped signs."""
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\b[^>]{0,100}?\bref="([A-Z]{1,3})([0-9]{1,7}):[A-Z]{1,3}([0-9]{1,7})"')
_REACH = 200
"""Bytes that such an element has at most."""
_MERGES, _REACHING = 100_000, 100
"""Rows in which merged cells may begin, and those that may reach into one row."""
Merged = dict[int, dict[int, int]]
"""Rows, each with the columns of the merged cells that begin in it, and their last rows."""
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]+")


def read(path: Path, reading: Reading) -> Iterator[Table]:
    """The sheets whose columns are those of the first that has rows, one after the other; or the one asked for."""
    with workbook(path, reading) as archive:
        yield from _tables(archive, reading)


def _tables(archive: zipfile.ZipFile, reading: Reading) -> Iterator[Table]:
    book = _Book(archive)
    texts = book.texts()
    try:
        sheets = [
            Sheet(name, hidden, partial(_records, archive, part, book, texts)) for name, part, hidden in book.sheets
        ]
        yield from tables(sheets, reading)
    finally:
        texts.close()


def _records(archive: zipfile.ZipFile, part: str, book: _Book, texts: Spool) -> Iterator[Record]:
    if part not in book.merged:
        with archive.open(part) as stream:
            book.merged[part] = _merged(stream)
    with archive.open(part) as stream:
        yield from _Rows(book, texts, book.merged[part]).read(stream)


def _merged(stream: IO[bytes]) -> Merged:
    """The cells of a sheet that reach over several rows, which stand in it behind all rows."""
    merged: Merged = {}
    rest = b""
    while piece := stream.read(PIECE):
        piece = rest + piece
        for found in _MERGED.finditer(piece) if b"mergeCell" in piece else ():
            first, last = int(found[2]), int(found[3])
            if first < last and (first in merged or len(merged) < _MERGES):
                merged.setdefault(first, {})[_column(found[1].decode())] = last
        rest = piece[-_REACH:]
    return merged


class _Book:
    """What the cells of all sheets share."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.from_1904 = False
        self.dates: list[bool] = []
        """Whether the n-th style shows a date."""
        self.sheets: list[tuple[str, str, bool]] = []
        """Each one's name, its part of the archive, and whether it is hidden."""
        self.merged: dict[str, Merged] = {}
        """By parts, once they were looked through."""
        parts: dict[str, str] = {}

        def relation(name: str, given: dict[str, str]) -> None:
            if name == "Relationship" and given.get("Type", "").endswith("/worksheet"):
                target = given.get("Target", "")
                parts[given.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"

        def sheet(name: str, given: dict[str, str]) -> None:
            if name == "workbookPr":
                self.from_1904 = given.get("date1904") in ("1", "true")
            elif name == "sheet" and (part := parts.get(given.get("id", ""))) is not None:
                self.sheets.append((given.get("name", ""), part, given.get("state", "visible") != "visible"))

        _elements(part_of(archive, "xl/_rels/workbook.xml.rels"), relation)
        _elements(part_of(archive, "xl/workbook.xml"), sheet)
        with suppress(KeyError):  # a workbook needs no styles
            self._read_styles(part_of(archive, "xl/styles.xml"))

    def texts(self) -> Spool:
        """The texts that cells name by number."""
        with ExitStack() as undo:
            spool = Spool()
            undo.callback(spool.close)
            if "xl/sharedStrings.xml" in self._archive.namelist():
                with self._archive.open("xl/sharedStrings.xml") as stream:
                    for text in _Texts().read(stream):
                        spool.add(text.encode("utf-8", "surrogatepass"))
            undo.pop_all()
        return spool

    def _read_styles(self, content: bytes) -> None:
        formats: dict[str, str] = {}
        inside = False

        def style(name: str, given: dict[str, str]) -> None:
            nonlocal inside
            if name == "numFmt":
                formats[given.get("numFmtId", "")] = given.get("formatCode", "")
            elif name in ("cellXfs", "cellStyleXfs", "cellStyles"):
                inside = name == "cellXfs"
            elif name == "xf" and inside:
                self.dates.append(_shows_date(given.get("numFmtId", "0"), formats))

        _elements(content, style)


def _shows_date(number: str, formats: dict[str, str]) -> bool:
    code = formats.get(number)
    if code is None:
        return number.isdecimal() and int(number) in _DATES
    return re.search("[ymdhs]", _LITERAL.sub("", code).lower().replace("general", "")) is not None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _elements(content: bytes, each: Callable[[str, dict[str, str]], None]) -> None:
    def start(name: str, given: dict[str, str]) -> None:
        each(_local(name), {_local(key): value for key, value in given.items()})

    parser(start).Parse(content, True)


class _Texts:
    """sharedStrings.xml: each ``si`` is a text, in one ``t`` or in several with formats of their own."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._pieces: list[str] = []
        self._size = 0
        self._inside = self._spoken = False

    def read(self, stream: IO[bytes]) -> Iterator[str]:
        for _ in pieces(stream, parser(self._start, self._end, self._data)):
            yield from self._done
            self._done.clear()

    def _start(self, name: str, _: dict[str, str]) -> None:
        name = _local(name)
        if name == "rPh":  # how it is pronounced
            self._spoken = True
        self._inside = name == "t" and not self._spoken

    def _end(self, name: str) -> None:
        name = _local(name)
        self._inside = False
        if name == "rPh":
            self._spoken = False
        elif name == "si":
            self._done.append(_unescaped("".join(self._pieces)))
            self._pieces.clear()
            self._size = 0

    def _data(self, data: str) -> None:
        self._size += len(data)
        if self._inside and self._size <= MAX_LINE:
            self._pieces.append(data)


class _Rows:
    """A sheet's XML: rows of cells."""

    def __init__(self, book: _Book, texts: Spool, merged: Merged) -> None:
        self._book = book
        self._texts = texts
        self._merged = merged
        self._reaching: dict[int, tuple[int, str]] = {}
        """Of merged cells, by their columns: the last row, and what they hold."""
        self._done: list[Record | int] = []
        """Rows that were read, and how many were left out between them."""
        self._next = 1
        self._number = 0
        self._cells: Cells = []
        self._fault: Fault | None = None
        self._faults: dict[int, Fault] = {}
        self._column = 0
        self._place = ""
        self._kind = self._style = ""
        self._formula = self._inside = self._spoken = False
        self._pieces: list[str] = []
        self._size = 0

    def read(self, stream: IO[bytes]) -> Iterator[Record]:
        """Rows that the sheet leaves out come as None, so that the n-th is row n."""
        for _ in pieces(stream, parser(self._start, self._end, self._data)):
            yield from self._take()

    def _take(self) -> Iterator[Record]:
        for entry in self._done:
            if isinstance(entry, int):
                yield from repeat(None, entry)
            else:
                yield entry
        self._done.clear()

    def _start(self, name: str, given: dict[str, str]) -> None:
        name = _local(name)
        if name == "c":
            self._place = given.get("r", "")
            found = _REFERENCE.match(self._place)
            self._column = _column(found[1]) if found else self._column + 1
            self._kind, self._style = given.get("t", "n"), given.get("s", "0")
            self._formula = False
            self._pieces.clear()
        elif name == "row":
            number = given.get("r", "")
            self._number = int(number) if number.isdecimal() and len(number) < 8 else self._next
            self._cells, self._column, self._fault, self._faults, self._size = [], 0, None, {}, 0
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._spoken = True
        self._inside = name in ("v", "t") and not self._spoken

    def _data(self, data: str) -> None:
        if self._inside:
            self._size += len(data)
            if self._size <= MAX_LINE:
                self._pieces.append(data)

    def _end(self, name: str) -> None:
        name = _local(name)
        self._inside = False
        if name == "c":
            self._end_cell()
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._spoken = False

    def _end_cell(self) -> None:
        text = "".join(self._pieces)
        if self._column > _COLUMNS or self._fault is not None:
            return
        if self._formula and not text and self._kind != "str":
            self._faults[self._column - 1] = NO_VALUE._replace(place=f"cell {self._place}" if self._place else "")
        elif self._kind == "e":
            self._faults[self._column - 1] = CELL_ERROR._replace(place=f"{text[:20]} in cell {self._place}")
        elif text:
            self._put(self._told(text))

    def _put(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_LINE:
            self._fault = TOO_LONG
            return
        self._cells += [""] * (self._column - 1 - len(self._cells))
        self._cells[self._column - 1 :] = [text]

    def _end_row(self) -> None:
        if not self._next <= self._number <= _ROWS:
            self._number = self._next
        if self._number > self._next:
            self._done.append(self._number - self._next)
        self._next = self._number + 1
        if self._merged:
            self._spread()
        if self._faults and self._fault is None:
            self._done.append(Flawed(self._cells, self._faults))
        else:
            self._done.append(self._fault or self._cells or None)

    def _spread(self) -> None:
        """A cell that reaches over several rows says the same of each; a row of nothing else is none."""
        for column, last in self._merged.get(self._number, {}).items():
            if column <= len(self._cells) and len(self._reaching) < _REACHING:
                self._reaching[column] = last, self._cells[column - 1]
        for column, (last, text) in sorted(self._reaching.items()):
            if last < self._number:
                del self._reaching[column]
            elif any(self._cells) and not any(self._cells[column - 1 : column]):
                after = self._cells[column:]
                self._column = column
                self._put(text)
                self._cells += after

    def _told(self, text: str) -> str:
        if self._kind == "s":
            number = int(text) if text.isdecimal() and len(text) < 10 else -1
            if not 0 <= number < len(self._texts):
                raise InvalidDataset(f"the workbook is not whole: cell {self._place} names a text that is not there")
            return self._texts[number].decode("utf-8", "surrogatepass")
        if self._kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        if self._kind == "n":
            style = int(self._style) if self._style.isdecimal() and len(self._style) < 7 else 0
            dated = style < len(self._book.dates) and self._book.dates[style]
            return _number(text, dated, self._book.from_1904)
        return _unescaped(text)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _number(text: str, dated: bool, from_1904: bool) -> str:
    """Excel stores 0.1 + 0.2 with 17 digits, and 42 as 42.0 at times."""
    try:
        value = float(text)
    except ValueError:
        return text
    if dated and value >= 0:
        with suppress(OverflowError):  # beyond the year 9999
            return _date(value, from_1904)
    return number_told(value)


def number_told(value: float) -> str:
    """A number as text, as short as it can be written."""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)


def _date(value: float, from_1904: bool) -> str:
    # Excel holds 1900 for a leap year: from March 1900 on, days count from 30 December 1899.
    start = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30 if value >= 60 else 31)
    moment = start + timedelta(seconds=round(value * 86_400))
    if value < 1:
        return moment.time().isoformat()
    return moment.date().isoformat() if moment.time() == datetime.min.time() else moment.isoformat()


def _unescaped(text: str) -> str:
    """Signs that XML cannot hold are written ``_x000D_``."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
