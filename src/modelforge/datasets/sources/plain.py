"""Text without rows: each of its paragraphs is a row, and stands in the dataset at the line at which it begins."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import TextIO

from modelforge.datasets.rows import MAX_LINE
from modelforge.datasets.sources.base import Item, Reading, Table
from modelforge.datasets.sources.encoding import MARK, detect, open_text
from modelforge.datasets.sources.faults import TOO_LONG, undecodable

_SAMPLE = 256_000
"""Characters in which blank lines are looked for."""


def read(path: Path, reading: Reading) -> Iterator[Table]:
    encoding = detect(path, reading.encoding)
    with open_text(path, encoding.name) as stream:
        lines = stream.read(_SAMPLE).strip().replace("\r\n", "\n").replace("\r", "\n").split("\n")
        # What the sample cut off may be anything.
        spaced = any(not line.strip() for line in lines[:-1])
    how = "paragraphs, which blank lines stand between, are the rows" if spaced else "each line is a row"
    notes = [note for note in (encoding.note, f"plain text: {how}") if note is not None]
    with open_text(path, encoding.name, reading.observe) as stream:
        yield Table(_items(stream, encoding.name, spaced), "line", 1, "", encoding.name, None, notes)


def _items(stream: TextIO, encoding: str, spaced: bool) -> Iterator[Item]:
    """One for each line; those of a paragraph but for its first are blank."""
    if not spaced:
        yield from (_row([line], encoding) for line in _lines(stream))
        return
    paragraph: list[str] = []
    size = count = 0
    for line in chain(_lines(stream), [""]):
        if line.strip():
            count += 1
            size += len(line)
            if size < MAX_LINE:  # what is longer than a row may be is counted, not kept
                paragraph.append(line)
            continue
        if count:
            yield _row(paragraph, encoding) if size < MAX_LINE else TOO_LONG
            yield from repeat(None, count - 1)
        yield None
        paragraph, size, count = [], 0, 0


def _lines(stream: TextIO) -> Iterator[str]:
    """Without their ends. One that is too long comes as far as it shows that."""
    while line := stream.readline(MAX_LINE):
        yield line.rstrip("\r\n")
        while len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            line = stream.readline(MAX_LINE)


def _row(paragraph: list[str], encoding: str) -> Item:
    text = "\n".join(paragraph)
    if len(text) >= MAX_LINE:
        return TOO_LONG
    if not text.strip():
        return None
    mark = None if text.isascii() else MARK.search(text)
    return {"text": text} if mark is None else undecodable(encoding, mark[0])
