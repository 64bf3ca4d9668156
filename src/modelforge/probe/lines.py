"""Single lines out of a large file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from modelforge.datasets.paging import Index, index_of
from modelforge.datasets.rows import open_regular, read_blocks


def lines_at(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
    """The lines of these numbers (from 1) that the file has, in its order, blank ones too; None for one that is too
    long."""
    index = index_of(path)
    for number in sorted(set(numbers)):
        if number <= index.last:
            yield number, _line(path, index, number)


def _line(path: Path, index: Index, number: int) -> bytes | None:
    known, offset = index.place(number)
    with open_regular(path) as stream:
        stream.seek(offset)
        for first, block in read_blocks(stream):
            at = number - (first + known - 1)
            if block is None and at == 0:
                return None
            if block is not None and at <= block.count(b"\n"):
                return block.split(b"\n")[at]
    return b""  # a blank line at the end
