"""Single lines out of a large file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from modelforge.datasets.rows import open_regular, read_blocks


def lines_at(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, bytes | None]]:
    """The lines of these numbers (from 1) that the file has, in its order; None for one that is too long. What is
    before them is not looked into."""
    wanted = sorted(set(numbers), reverse=True)
    with open_regular(path) as stream:
        for first, block in read_blocks(stream):
            if not wanted:
                return
            last = first + (block.count(b"\n") if block is not None else 0)
            if last < wanted[-1]:
                continue
            lines = block.split(b"\n") if block is not None else [None]
            while wanted and wanted[-1] <= last:
                number = wanted.pop()
                yield number, lines[number - first]
