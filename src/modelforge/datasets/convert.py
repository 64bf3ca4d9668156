"""Files of any kind made into one file of JSON Lines, which is what all else reads.

Line k of it is row k of the dataset for ever. A row that could not be read is a blank line there, and a finding, so
that no number shifts and every row is accounted for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from modelforge.datasets.codes import CODES
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.places import LISTED
from modelforge.datasets.problems import shown
from modelforge.datasets.rows import MAX_LINE, Row
from modelforge.datasets.sources import archive
from modelforge.datasets.sources.base import Item, Reading, Table
from modelforge.datasets.sources.faults import TOO_DEEP, TOO_LONG, Fault
from modelforge.datasets.sources.jsonl import encoding_of
from modelforge.datasets.sources.kinds import ENDINGS, head_of, is_gzip, is_workbook, is_zip, kind_of
from modelforge.datasets.tally import finding
from modelforge.errors import InvalidDataset, TooLarge, UnsupportedMedia

Files = Sequence[tuple[Path, str]]
"""Where each lies, and what it is called."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
_COLUMNS = 8
"""Names of columns in a message."""


@dataclass(slots=True)
class _Tally:
    """Rows that could not be read for one reason."""

    first: Fault
    count: int = 0
    rows: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Converted:
    """What was read, and what could not be."""

    source: dict[str, Any]
    """As the contract's ``Source``."""
    findings: list[dict[str, Any]]
    """As the contract's ``Finding``."""
    num_bad: int
    """Rows that could not be read."""
    empty: bool
    """Whether no row could."""


def is_kept(files: Files, reading: Reading) -> bool:
    """Whether there is nothing to convert: one file of JSON Lines in UTF-8. Raises what ``kind_of`` raises."""
    if len(files) > 1 or reading.encoding is not None:
        return False
    path, name = files[0]
    head = head_of(path)
    if is_gzip(head) or is_zip(head):
        return False
    return kind_of(path, name, None).name == "jsonl" and encoding_of(head).name == "utf-8"


def convert(files: Files, target: Path, folder: Path, reading: Reading, limit: int) -> Converted:
    """Write the rows of all files to ``target``. ``folder`` is for what archives hold; ``limit`` is how many bytes they
    may unpack to, and how many the rows may take.

    Raises InvalidDataset and UnsupportedMedia for what cannot be read as one dataset, TooLarge above the limit.
    """
    with target.open("xb") as out:
        writer = _Writer(out, limit)
        for path, name in _unpacked(files, folder, limit, writer.notes):
            kind = kind_of(path, name, reading.encoding)
            for table in kind.read(path, reading):
                writer.write(table, kind.name, name)
        out.flush()
        os.fsync(out.fileno())
    return writer.done()


def _unpacked(files: Files, folder: Path, limit: int, notes: list[str]) -> Iterator[tuple[Path, str]]:
    for path, name in files:
        head = head_of(path)
        if is_gzip(head):
            inner = name[:-3] if name.lower().endswith(".gz") else name
            if inner.lower().endswith((".tar", ".tgz")) or name.lower().endswith(".tgz"):
                raise UnsupportedMedia("the file is a packed tar archive; pack its files as .zip")
            unpacked = archive.gunzip(path, folder, limit)
            if is_gzip(head_of(unpacked)) or (is_zip(head_of(unpacked)) and not is_workbook(unpacked)):
                raise InvalidDataset("the gzip file holds an archive; pack the file itself")
            yield unpacked, inner
            unpacked.unlink()
        elif is_zip(head) and not is_workbook(path):
            yield from _members(path, name, folder, limit, notes)
        else:
            yield path, name


def _members(path: Path, name: str, folder: Path, limit: int, notes: list[str]) -> Iterator[tuple[Path, str]]:
    others, found = [], False
    for inner, called in archive.unpack(path, name, folder, limit, notes):
        if not called.lower().endswith(ENDINGS):
            others.append(called)
            continue
        head = head_of(inner)
        if is_gzip(head) or (is_zip(head) and not is_workbook(inner)):
            raise InvalidDataset(f"the archive holds an archive, {shown(called)}; pack the files themselves into one")
        found = True
        yield inner, called
    if not found:
        held = f": it holds {', '.join(map(shown, others[:5]))}" if others else ""
        raise InvalidDataset(f"the archive '{name}' holds no file that can be read{held}")
    if others:
        notes.append(f"left out of the archive, no data: {', '.join(map(shown, others[:5]))}")


class _Writer:
    """The file of rows, and the account of them."""

    def __init__(self, out: BinaryIO, limit: int) -> None:
        self.notes: list[str] = []
        self._out = out
        self._limit = limit
        self._size = self._line = self._bad = 0
        self._empty = True
        self._parts: list[dict[str, Any]] = []
        self._kinds: dict[str, None] = {}
        self._tables: list[Table] = []
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._kin: tuple[str, frozenset[str]] | None = None
        """The first part that had rows, and its fields."""

    def write(self, table: Table, kind: str, name: str) -> None:
        before, fields = self._line, None
        called = f"{name}: {table.sheet}" if table.sheet else name
        for item in table.items:
            if fields is None and (fields := _fields(item)) is not None:
                self._require_kin(called, fields)
            if isinstance(item, dict):
                self._add(item)
            elif isinstance(item, bytes):
                self._line += item.count(b"\n") + 1
                self._put(item)
            else:
                self._refuse(item)
        self._kinds.setdefault(kind)
        self._tables.append(table)
        self._parts.append({"name": called, "unit": table.unit, "first": table.first, "rows": self._line - before})

    def done(self) -> Converted:
        first = self._tables[0] if self._tables else None
        notes = [*self.notes, *(note for table in self._tables for note in table.notes)]
        source = {
            "format": ", ".join(self._kinds),
            "encoding": first.encoding if first else None,
            "delimiter": first.delimiter if first else None,
            "parts": self._parts,
            "notes": list(dict.fromkeys(notes)),
        }
        return Converted(source, [_finding(tally) for tally in self._tallies.values()], self._bad, self._empty)

    def _add(self, row: Row) -> None:
        try:
            line = _ENCODE(row).encode()
        except UnicodeEncodeError:  # half a surrogate pair, which the check of rows tells of
            line = json.dumps(row).encode()
        except RecursionError:
            self._refuse(TOO_DEEP)
            return
        if len(line) > MAX_LINE:
            self._refuse(TOO_LONG)
            return
        self._line += 1
        self._put(line)

    def _refuse(self, fault: Fault | None) -> None:
        self._line += 1
        self._put(b"")
        if fault is None:
            return
        self._bad += 1
        tally = self._tallies.setdefault((fault.code, fault.message), _Tally(fault))
        tally.count += 1
        if len(tally.rows) < LISTED:
            tally.rows.append(self._line)

    def _put(self, line: bytes) -> None:
        self._size += len(line) + 1
        if self._size > self._limit:
            raise TooLarge(
                f"the rows take more than {self._limit / 1e6:g} MB as JSON Lines, in which each names its columns. "
                "Raise MODELFORGE_MAX_UPLOAD_MB, or leave columns out"
            )
        self._empty = self._empty and not line.strip()
        self._out.write(line)
        self._out.write(b"\n")

    def _require_kin(self, name: str, fields: frozenset[str]) -> None:
        """One dataset's files say the same things: in the same columns, some of which may be missing, or in fields of
        the same shape."""
        if self._kin is None:
            self._kin = name, fields
            return
        first, others = self._kin
        if not (fields <= others or fields >= others) and (_shape(fields) is None or _shape(fields) != _shape(others)):
            raise InvalidDataset(
                f"{shown(name)} has the columns {_listed(fields)}, and {shown(first)} has {_listed(others)}: they are "
                "no one dataset. Send them one by one, or give them the same columns"
            )


def _fields(item: Item) -> frozenset[str] | None:
    """The names of a row's fields; None for what says nothing of them."""
    if type(item) is dict:
        return frozenset(item)
    if isinstance(item, bytes):
        for line in item.split(b"\n", 3)[:3]:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if type(row) is dict:
                return frozenset(row)
    return None


def _shape(fields: frozenset[str]) -> str | None:
    return next((shape.name for shape in SHAPES if not shape.form_of(fields)[1]), None)


def _listed(fields: frozenset[str]) -> str:
    names = [shown(name) for name in sorted(fields)]
    return ", ".join(names[:_COLUMNS]) + (" and others" if len(names) > _COLUMNS else "")


def _finding(tally: _Tally) -> dict[str, Any]:
    first = tally.first
    return finding(CODES.get(first.code), first.message, tally.count, tally.rows, first.place, first.excerpt)
