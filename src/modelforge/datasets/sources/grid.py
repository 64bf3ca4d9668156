"""Rows of cells, under a row of names or without one, as CSV and spreadsheets have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from modelforge.datasets.formats import SHAPES
from modelforge.datasets.problems import shown
from modelforge.datasets.sources.base import Item
from modelforge.datasets.sources.faults import Fault, too_few, too_many
from modelforge.errors import InvalidDataset

Cells = list[str]

KNOWN = {name for shape in SHAPES for form in shape.forms for name in form.fields + form.optional}
"""Names of fields that shapes have."""
_LONGEST_NAME = 100
"""Characters; what is longer names no column."""
_NUMBER = re.compile(r"[-+]?[\d.,:/ %-]*\d[\d.,:/ %-]*")
"""Numbers, dates and times."""
_SENTENCE = re.compile(r"(\S+\s+){3}.*[.!?…。？！][\"'»”)]*\s*", re.DOTALL)


class Grid(NamedTuple):
    """Its rows as objects."""

    items: Iterator[Item]
    first: int
    """The number of its first row, where the first record has number 1."""
    columns: tuple[str, ...]
    notes: list[str]


def grid(records: Iterator[Cells | Fault | None], header: bool | None, *, ragged: bool) -> Grid | None:
    """``header`` says whether the first row names the columns; None decides by what stands in it. In a ``ragged`` one,
    as in a spreadsheet, cells at a row's end that nobody filled are not there. None where no row has a cell.

    Raises InvalidDataset where the first row, which has to say what the columns are, cannot be read.
    """
    number, head = 0, None
    for number, record in enumerate(records, 1):
        if isinstance(record, Fault):
            raise InvalidDataset(f"row {number}, which should name the columns, cannot be read: {record.message}")
        if record is not None and any(record):
            head = record
            break
    if head is None:
        return None
    while head and not head[-1].strip():
        head.pop()
    notes: list[str] = []
    if looks_like_names(head) if header is None else header:
        names, first, rest = _unique(head, notes), number + 1, records
    else:
        names, first = [f"column_{at}" for at in range(1, len(head) + 1)], number
        rest = chain([head], records)
        if header is None:
            notes.append(
                f"row {number} looks like data, not like names of columns: they are called "
                f"{names[0]}{f' to {names[-1]}' if len(names) > 1 else ''}. Add a row of names, or say header=true"
            )
    return Grid(_items(rest, names, ragged), first, tuple(names), notes)


def looks_like_names(cells: Cells) -> bool:
    """Whether a first row names columns. Most do, so it has to look like data in some cell: a number, a sentence, a
    page of text."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if any(cell.lower() in KNOWN for cell in filled):
        return True
    return not any(
        len(cell) > _LONGEST_NAME or "\n" in cell or _NUMBER.fullmatch(cell) or _SENTENCE.fullmatch(cell)
        for cell in filled
    )


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


def _items(records: Iterator[Cells | Fault | None], names: list[str], ragged: bool) -> Iterator[Item]:
    width = len(names)
    for record in records:
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
