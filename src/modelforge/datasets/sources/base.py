"""What every kind of file is read into: tables, one after the other, whose rows come one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from modelforge.datasets.rows import Observe, Row
from modelforge.datasets.sources.faults import Fault

Item = Row | Fault | bytes | None
"""One row; why there is none; whole lines of JSON Lines as they stand, without the last one's end; a blank row."""


class Reading(NamedTuple):
    """How a file is to be read; None leaves it to what the file looks like. ``ReadOptions`` as a child process gets it,
    which has no pydantic."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: bool | None = None
    field: str | None = None
    observe: Observe | None = None
    """Told of what is read of the file, when its rows are."""


@dataclass(slots=True)
class Table:
    """A file, or a sheet of a workbook."""

    items: Iterator[Item]
    unit: str
    """``line``, ``row`` or ``element``: what its rows are counted by."""
    first: int = 1
    """The number of its first row, so counted."""
    sheet: str = ""
    encoding: str | None = None
    delimiter: str | None = None
    notes: list[str] = field(default_factory=list)
    """Choices that were made by looking at it. Complete when its rows were read."""


Reader = Callable[[Path, Reading], Iterator[Table]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file, known by what it begins with, else by the ending of its name."""

    name: str
    endings: tuple[str, ...]
    read: Reader
    """Raises InvalidDataset for a file that is not what it seems, or broken before its first row."""
