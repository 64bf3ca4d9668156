"""Rows of a dataset by their numbers, however large the file is."""

from __future__ import annotations

import bisect
import json
import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelforge.datasets.formats import Shape
from modelforge.datasets.rows import TOO_LONG, BadLine, Row, open_regular, read_blocks, rows_of
from modelforge.files import read_json_or_none, write_atomic

Record = dict[str, Any]
"""A ``contracts.version.DatasetRecord``."""

MAX_PAGE = 1000
"""Rows of a page."""
PAGE_BYTES = 4_000_000
"""Of a page's rows together, where it has more than one."""
EXCERPT = 2000
"""Characters that are shown of a line that holds no row."""
_STRIDE = 1 << 20
"""Bytes between two known places in a file."""
_NEAR = 500
"""Rows that are passed over rather than looked up anew."""
_END = 1 << 63
_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Index:
    """Where lines begin, a megabyte apart."""

    lines: list[int]
    """Numbers of lines, from 1, rising."""
    offsets: list[int]
    """Where these begin, in bytes."""
    last: int
    """The number of the file's last line; 0 for an empty file."""

    def place(self, line: int) -> tuple[int, int]:
        """The last known line that is not after this one, and where it begins."""
        at = bisect.bisect_right(self.lines, line) - 1
        return self.lines[at], self.offsets[at]


def index_of(path: Path) -> Index:
    """The file's index: made once, kept beside it, and made anew where it is missing or of another file.

    Raises what ``open_regular`` raises.
    """
    kept = path.with_name(f".{path.name}.index")
    with _MAKING, open_regular(path) as stream:
        size = stream.seek(0, 2)
        known = read_json_or_none(kept)
        if isinstance(known, dict) and known.get("size") == size:
            return Index(known["lines"], known["offsets"], known["last"])
        stream.seek(0)
        lines, offsets, line, offset, end = [1], [0], 1, 0, b"\n"
        while block := stream.read(_STRIDE):
            breaks = block.count(b"\n")
            if breaks:
                line += breaks
                lines.append(line)
                offsets.append(offset + block.rfind(b"\n") + 1)
            offset += len(block)
            end = block[-1:]
        index = Index(lines, offsets, line - 1 if end == b"\n" else line)
        if size > _STRIDE:
            with suppress(OSError):  # a full disk keeps nobody from reading
                write_atomic(kept, json.dumps({"size": size, **asdict(index)}))
    return index


def lines_from(path: Path, index: Index, first: int) -> Iterator[tuple[int, bytes, Row | BadLine]]:
    """Lines that are not blank, from number ``first`` on: their number, their text, and their row or why they have
    none. The text of one that is too long to be read is left out."""
    known, offset = index.place(max(1, first))
    with open_regular(path) as stream:
        stream.seek(offset)
        for number, block in read_blocks(stream, begins=not offset):
            number += known - 1
            if block is None:
                if number >= first:
                    yield number, b"", TOO_LONG
                continue
            lines = block.split(b"\n")
            if number < first:
                lines = lines[first - number :]
                number, block = first, b"\n".join(lines)
            for at, row in rows_of(number, block):
                yield at, lines[at - number], row


def page(
    path: Path, shape: Shape | None, offset: int, limit: int, index: Index | None = None
) -> tuple[list[Record], int | None]:
    """At most ``limit`` rows after number ``offset``, and the offset of the next ones, where there may be more."""
    index = index or index_of(path)
    records: list[Record] = []
    size = 0
    for number, text, row in lines_from(path, index, offset + 1):
        size += len(text)
        if len(records) == limit or (records and size > PAGE_BYTES):
            return records, records[-1]["row"]
        records.append(record_of(number, text, row, shape))
    return records, None


def rows_at(path: Path, numbers: Iterable[int]) -> dict[int, Row | str]:
    """The rows of these numbers; of a line that holds none its beginning, and so of all when they grow too large for a
    page."""
    index = index_of(path)
    found: dict[int, Row | str] = {}
    lines: Iterator[tuple[int, bytes, Row | BadLine]] = iter(())
    at, text, size = 0, b"", 0
    row: Row | BadLine = TOO_LONG
    for number in sorted(numbers):
        # Rows that stand near each other are read in one go.
        if not at or number - at > _NEAR:
            lines, at = lines_from(path, index, number), 0
        while at < number:
            at, text, row = next(lines, (_END, b"", TOO_LONG))
        if at == number:
            size += len(text)
            found[number] = row if isinstance(row, dict) and size <= PAGE_BYTES else excerpt(text)
    return found


def record_of(number: int, text: bytes, row: Row | BadLine, shape: Shape | None) -> Record:
    """A row as clients see it."""
    if isinstance(row, dict):
        problems = [] if shape is None else shape.problems(row)
        return {"row": number, "value": showable(row), "problems": problems}
    problem = f"{row.kind} ({row.place})" if row.place else row.kind
    return {"row": number, "problems": [problem], "text": excerpt(text)}


def excerpt(text: bytes) -> str:
    """The beginning of a line that holds no row."""
    shown = text[: 4 * EXCERPT].decode(errors="replace")
    return shown if len(shown) <= EXCERPT else f"{shown[: EXCERPT - 1]}…"


def showable(value: Any) -> Any:
    """The value as JSON in UTF-8 can hold it: half a surrogate pair is written out (``\\ud83d``), and so are the
    numbers that JSON has no word for (``NaN``)."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:  # UnicodeEncodeError is one
        return _replaced(value)
    return value


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, list):
        return [_replaced(each) for each in value]
    if isinstance(value, dict):
        return {_replaced(name): _replaced(each) for name, each in value.items()}
    return value
