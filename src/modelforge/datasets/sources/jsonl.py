"""JSON Lines, which are what a dataset is kept in: taken over line by line, as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from modelforge.datasets.rows import open_regular, read_blocks
from modelforge.datasets.sources.base import Item, Reading, Table
from modelforge.datasets.sources.encoding import Encoding, by_mark, detect, open_text
from modelforge.datasets.sources.faults import TOO_LONG


def encoding_of(head: bytes) -> Encoding:
    """UTF-8 is what the lines are in, unless a mark says otherwise: a line in it that is not UTF-8 is a bad line, not a
    reason to take all others for something else."""
    marked = by_mark(head[:4096])
    return marked if marked is not None and marked.name != "utf-8-sig" else Encoding("utf-8")


def read(path: Path, reading: Reading) -> Iterator[Table]:
    with open_regular(path) as stream:
        head = stream.read(4096)
    encoding = encoding_of(head) if reading.encoding is None else detect(path, reading.encoding)
    notes = [encoding.note] if encoding.note else []
    if encoding.name.startswith("utf-8"):
        with open_regular(path, reading.observe) as stream:
            yield Table(_lines(stream), "line", 1, "", "utf-8", None, notes)
    else:
        with closing(open_text(path, encoding.name, reading.observe)) as text:
            yield Table(_lines(cast(BinaryIO, _Recoded(text))), "line", 1, "", encoding.name, None, notes)


def _lines(stream: BinaryIO) -> Iterator[Item]:
    for _, block in read_blocks(stream):
        yield TOO_LONG if block is None else block


class _Recoded:
    """Text as bytes of UTF-8. A byte without a letter becomes one that UTF-8 has none for, either: its line is bad."""

    def __init__(self, text: TextIO) -> None:
        self._text = text

    def read(self, size: int) -> bytes:
        return self._text.read(size).encode("utf-8", "surrogatepass")
