"""``python -m modelforge.datasets.compare QUERY``: which rows differ between two versions of a dataset. The file QUERY
says which, in JSON.

Every difference is written down once, in a file of records that pages are read from.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, Literal

from modelforge.datasets.reply import answer
from modelforge.datasets.rewrite import BLANK, canonical
from modelforge.datasets.rows import open_regular, read_blocks

By = Literal["row", "content"]

_RECORD = struct.Struct("<QQ")
"""A row's number in the first version, and in the second; 0 where it is not there."""
_HEAD = struct.Struct("<QQQQ")


@dataclass(slots=True)
class Counts:
    """How many rows."""

    same: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0

    @property
    def total(self) -> int:
        return self.added + self.removed + self.changed


def compare(first: Path, second: Path, by: By, target: Path) -> Counts:
    """Write the differences to ``target``, which is there when it is whole."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as out:
            out.write(_HEAD.pack(0, 0, 0, 0))
            counts = _by_row(first, second, out) if by == "row" else _by_content(first, second, out)
            out.seek(0)
            out.write(_HEAD.pack(*asdict(counts).values()))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return counts


def read_differences(path: Path, offset: int, limit: int) -> tuple[Counts, list[tuple[int, int]]]:
    """The counts, and some of the pairs of row numbers. Raises FileNotFoundError where nobody has compared yet."""
    with path.open("rb") as stream:
        counts = Counts(*_HEAD.unpack(stream.read(_HEAD.size)))
        stream.seek(_HEAD.size + min(offset, counts.total) * _RECORD.size)
        return counts, list(_RECORD.iter_unpack(stream.read(limit * _RECORD.size)))


def _by_row(first: Path, second: Path, out: BinaryIO) -> Counts:
    counts = Counts()
    with open_regular(first) as one, open_regular(second) as other:
        for number, (before, after) in enumerate(zip_longest(_lines(one), _lines(other), fillvalue=b""), 1):
            if before == after:
                counts.same += before != b""
            elif before == b"":
                counts.added += 1
                out.write(_RECORD.pack(0, number))
            elif after == b"":
                counts.removed += 1
                out.write(_RECORD.pack(number, 0))
            elif canonical(before) == canonical(after):
                counts.same += 1
            else:
                counts.changed += 1
                out.write(_RECORD.pack(number, number))
    return counts


def _by_content(first: Path, second: Path, out: BinaryIO) -> Counts:
    """What is left of each when every row of one has taken an equal one out of the other."""
    from modelforge.datasets.multiset import differences  # noqa: PLC0415 - numpy: the server reads what others compared

    same, pairs = differences(first, second)
    counts = Counts(same=same)
    for before, after in pairs:
        counts.added += not before
        counts.removed += not after
        counts.changed += bool(before and after)
        out.write(_RECORD.pack(before, after))
    return counts


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Every line; blank ones, and those that are too long to be read, are empty."""
    for _, block in read_blocks(stream):
        for line in (block or b"").split(b"\n"):
            yield line.strip(BLANK)


def main(query: str) -> int:
    asked = json.loads(Path(query).read_text(encoding="utf-8"))
    first, second, target = (Path(asked[name]) for name in ("first", "second", "target"))
    return answer(lambda: asdict(compare(first, second, asked["by"], target)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
