"""``python -m modelforge.datasets.search QUERY``: rows in which some words stand. The file QUERY says which, in JSON:
what stands on a command line every user of the machine can read.

What is searched is a row's JSON as people read it: ``\\u00e9`` is é and ``\\"`` is a quote. Capitals don't matter.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modelforge.datasets.formats import SHAPES
from modelforge.datasets.paging import PAGE_BYTES, index_of, record_of
from modelforge.datasets.reply import answer
from modelforge.datasets.rows import open_regular, read_blocks, rows_of

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def readable(line: str) -> str:
    """A line of JSON with its escapes undone."""
    if "\\" not in line:
        return line
    text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _PLAIN.get(found[2], found[2]), line)
    # Two escapes make one emoji.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def search(path: Path, shape: str | None, offset: int, limit: int, seconds: float, words: str) -> dict[str, Any]:
    """At most ``limit`` rows after number ``offset``, as far as one comes in so many seconds."""
    end = time.monotonic() + seconds
    index, wanted = index_of(path), words.casefold()
    known, place = index.place(offset + 1)
    read = SHAPES.get(shape) if shape is not None else None
    found: list[dict[str, Any]] = []
    size = 0

    def told(next_offset: int | None) -> dict[str, Any]:
        return {"rows": found, "next_offset": next_offset, "searched_to": next_offset or index.last}

    with open_regular(path) as stream:
        stream.seek(place)
        for number, block in read_blocks(stream):
            number += known - 1
            for at, line in _matching(number, block or b"", wanted, offset):
                size += len(line)
                if len(found) == limit or (found and size > PAGE_BYTES):
                    return told(found[-1]["row"])
                found += [record_of(at, line, row, read) for _, row in rows_of(at, line)]
            seen = number + (block or b"").count(b"\n")
            if time.monotonic() > end and seen < index.last:
                return told(seen)
    return told(None)


def _matching(number: int, block: bytes, wanted: str, offset: int) -> Iterator[tuple[int, bytes]]:
    """The block's lines after ``offset`` in which it stands."""
    text = block.decode(errors="replace")
    # The quick way past what holds it nowhere.
    if "\\" not in text and wanted not in text.casefold():
        return
    for at, (line, raw) in enumerate(zip(text.split("\n"), block.split(b"\n"), strict=True), number):
        if at > offset and wanted in readable(line).casefold():
            yield at, raw


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(answer(lambda: search(Path(asked.pop("path")), **asked)))
