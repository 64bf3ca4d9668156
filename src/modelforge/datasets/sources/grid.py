"""Rows of cells, under a row of names or without one, as CSV and spreadsheets have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from modelforge.datasets.formats import SHAPES
from modelforge.datasets.problems import shown
from modelforge.datasets.sources.base import Item
from modelforge.datasets.sources.faults import Fault, too_few, too_many
from modelforge.errors import InvalidDataset

Cells = list[str]


class Flawed(NamedTuple):
    """Cells of a row some of which have no value to read, and are empty here."""

    cells: Cells
    faults: dict[int, Fault]
    """Why, by their places from 0."""


Record = Cells | Flawed | Fault | None
"""A row; why there is none; a blank one."""

KNOWN = {name for shape in SHAPES for form in shape.forms for name in form.fields + form.optional}
"""Names of fields that shapes have."""
_WIDEST = 100_000
"""Columns. A spreadsheet has 16 384 at most; a line of nothing but commas would make millions."""
_ABOVE, _LOOKED_AT = 10, 100
"""Rows in which the names of columns are looked for under a title, and columns that tell whether they are names."""
_SHORT = 1_000_000
"""Characters of these rows together."""
_LONGEST_NAME = 100
"""Characters; what is longer names no column."""
_TOLD = 3
"""Cells in a note."""
_NUMBER = re.compile(r"[-+]?[\d.,:/ %-]*\d[\d.,:/ %-]*|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[-+][\d:]+)?")
"""Numbers, dates and times."""
_SENTENCE = re.compile(r"(\S+\s+){3}.*[.!?…。？！][\"'»”)]*\s*", re.DOTALL)


class Grid(NamedTuple):
    """Its rows as objects."""

    items: Iterator[Item]
    first: int
    """The number of its first row, where the first record has number 1."""
    columns: tuple[str, ...]
    notes: list[str]


def grid(records: Iterator[Record], header: bool | None, *, ragged: bool) -> Grid | None:
    """``header`` says whether the first row names the columns; None decides by what stands in it. In a ``ragged`` one,
    as in a spreadsheet, cells at a row's end that nobody filled are not there, and a title may stand above the table.
    None where no row has a cell.

    Raises InvalidDataset where the first row, which has to say what the columns are, cannot be read.
    """
    numbered = enumerate(records, 1)
    found = _next_filled(numbered)
    if found is None:
        return None
    notes: list[str] = []
    number, head = found
    ahead = _ahead(numbered) if header is None else []
    if ragged and header is None:
        number, head, ahead = _under_title(number, head, ahead, notes)
    rest = chain((record for _, record in ahead), (record for _, record in numbered))
    while head and not head[-1].strip():
        head.pop()
    if len(head) > _WIDEST:
        raise InvalidDataset(f"row {number} has {len(head)} cells; a table may have {_WIDEST} columns at most")
    if looks_like_names(head) or _is_above_numbers(head, ahead) if header is None else header:
        names, first = _unique(head, notes), number + 1
    else:
        names, first = [f"column_{at}" for at in range(1, len(head) + 1)], number
        rest = chain([head], rest)
        if header is None:
            notes.append(
                f"row {number} looks like data, not like names of columns: they are called "
                f"{names[0]}{f' to {names[-1]}' if len(names) > 1 else ''}. Add a row of names, or say header=true"
            )
    return Grid(_items(rest, names, ragged, notes), first, tuple(names), notes)


def _next_filled(numbered: Iterator[tuple[int, Record]]) -> tuple[int, Cells] | None:
    for number, record in numbered:
        if (cells := _cells(number, record)) is not None:
            return number, cells
    return None


def _cells(number: int, record: Record) -> Cells | None:
    """Of a row from which the names of columns are taken; None for a blank one."""
    fault = next(iter(record.faults.values()), None) if isinstance(record, Flawed) else record
    if isinstance(fault, Fault):
        raise InvalidDataset(f"row {number}, which should name the columns, cannot be read: {fault.message}")
    return record if isinstance(record, list) and any(record) else None


def _ahead(numbered: Iterator[tuple[int, Record]]) -> list[tuple[int, Record]]:
    """The next rows, as far as they are short."""
    ahead, size = [], 0
    for number, record in islice(numbered, _ABOVE):
        ahead.append((number, record))
        size += sum(map(len, record)) if isinstance(record, list) else 0
        if size > _SHORT:
            break
    return ahead


def _under_title(
    number: int, head: Cells, ahead: list[tuple[int, Record]], notes: list[str]
) -> tuple[int, Cells, list[tuple[int, Record]]]:
    """The first row; or the one with the names of columns, where one cell stands alone above a table of several; and
    those ``ahead`` of it."""
    if _width(head) > 1 or looks_known(head):
        return number, head, ahead
    wide = [at for at, (_, record) in enumerate(ahead) if _width(record) > 1]
    if 2 * len(wide) <= sum(_width(record) > 0 for _, record in ahead):
        return number, head, ahead
    below, record = ahead[wide[0]]
    cells = _cells(below, record)
    assert cells is not None
    titles = [head, *(each for _, each in ahead[: wide[0]] if _width(each))]
    said = [shown(next(filter(None, map(str.strip, each)))) for each in titles if isinstance(each, list)]
    notes.append(f"left out above the names of columns in row {below}: {', '.join(said)}")
    return below, cells, ahead[wide[0] + 1 :]


def _width(record: Record) -> int:
    """Filled cells."""
    cells = record.cells if isinstance(record, Flawed) else record
    return sum(1 for cell in cells if cell.strip()) if isinstance(cells, list) else 0


def looks_like_names(cells: Cells) -> bool:
    """Whether a first row names columns. Most do, so it has to look like data in some cell: a number, a sentence, a
    page of text."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if looks_known(filled):
        return True
    return not any(
        len(cell) > _LONGEST_NAME or "\n" in cell or _is_number(cell) or _SENTENCE.fullmatch(cell) for cell in filled
    )


def _is_above_numbers(head: Cells, ahead: list[tuple[int, Record]]) -> bool:
    """Whether a first row stands above numbers or dates and holds none there: a form's questions are sentences, and
    beside them stands when it was filled in."""
    rows = [record for _, record in ahead if isinstance(record, list)]
    for at, cell in enumerate(head[:_LOOKED_AT]):
        below = [row[at].strip() for row in rows if at < len(row) and row[at].strip()]
        if len(below) > 1 and all(map(_is_number, below)) and cell.strip() and not _is_number(cell.strip()):
            return True
    return False


def _is_number(cell: str) -> bool:
    return len(cell) <= _LONGEST_NAME and _NUMBER.fullmatch(cell) is not None


def looks_known(cells: Cells) -> bool:
    return any(cell.strip().lower() in KNOWN for cell in cells)


def _unique(head: Cells, notes: list[str]) -> list[str]:
    names: dict[str, None] = {}
    counts: dict[str, int] = {}
    for at, cell in enumerate(head, 1):
        name = " ".join(cell.replace("\ufeff", "").split()) or f"column_{at}"
        if len(name) > _LONGEST_NAME:
            name = name[: _LONGEST_NAME - 1] + "…"
        plain = name
        while name in names:
            counts[plain] = counts.get(plain, 1) + 1
            name = f"{plain}_{counts[plain]}"
        names[name] = None
    if counts:
        again = [shown(name) for name in counts]
        more = f" and {len(again) - 5} more" if len(again) > 5 else ""
        notes.append(
            f"several columns are called {', '.join(again[:5])}{more}: from the second on they have a number behind"
        )
    return list(names)


def _items(records: Iterator[Record], names: list[str], ragged: bool, notes: list[str]) -> Iterator[Item]:
    width = len(names)
    beside: list[str] = []
    known = {at for at, name in enumerate(names) if name in KNOWN}
    for record in records:
        if isinstance(record, Flawed):
            # What is learnt from cannot be without its value; what stands beside it can.
            fault = next((fault for at, fault in sorted(record.faults.items()) if at in known), None)
            if fault is None and len(beside) < _TOLD:
                beside += [f"{each.message} ({each.place})" for each in record.faults.values()]
            record = record.cells if fault is None else fault
        if record is None or isinstance(record, Fault):
            yield record
            continue
        count = len(record)
        if not any(record):
            yield None
        elif count == width:
            yield dict(zip(names, record, strict=True))
        elif count > width and any(record[width:]):
            yield too_many(count, width)
        elif count < width and not ragged:
            yield too_few(count, width)
        else:
            yield dict(zip(names, record + [""] * (width - count), strict=False))
    if beside:
        notes.append(f"cells that are left empty: {'; '.join(beside[:_TOLD])}")
