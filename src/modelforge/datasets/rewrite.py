"""A dataset's rows written anew, each left, changed or taken out on the way, in constant memory.

Rows keep their numbers: one that is taken out leaves its line blank, and what is added comes after the last. So row 7
is row 7 in every version that is made of one upload, and two of them can be compared row by row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from modelforge.datasets.rows import BadLine, Row, open_regular, read_blocks, rows_of

Progress = Callable[[float], None]
Step = Callable[[int, Row | BadLine], Row | BadLine | None]
"""Given a row and its number: that very object leaves its line as it is, byte for byte; a new row changes it; None
takes it out."""

LISTED = 20
"""Row numbers that are kept of those that something happened to; the others are counted."""
SHOWN = 5
"""Rows that are shown as they were and as they are."""
BLANK = b" \t\r"
"""What a line may consist of that holds nothing."""
_SHOWN_BYTES = 20_000
"""Of a row that is shown."""
_TOLD = 1 << 24
"""Bytes between two words of progress."""


@dataclass(slots=True)
class Tally:
    """How many rows, and which are the first."""

    count: int = 0
    rows: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        self.count += 1
        if self.count <= LISTED:
            self.rows.append(row)

    def take(self, other: Tally) -> None:
        """Add other rows."""
        self.count += other.count
        self.rows = sorted([*self.rows, *other.rows])[:LISTED]

    def drop(self, rows: Collection[int]) -> None:
        """Leave out rows that were counted."""
        self.count -= len(rows)
        self.rows = [row for row in self.rows if row not in rows]


@dataclass(slots=True)
class Outcome:
    """What was done to a dataset's rows."""

    changed: Tally = field(default_factory=Tally)
    removed: Tally = field(default_factory=Tally)
    added: Tally = field(default_factory=Tally)
    too_long: Tally = field(default_factory=Tally)
    """Lines that nothing can read, which are not written again."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """``row``, ``before`` and ``after`` of the first that changed."""

    @property
    def touched(self) -> bool:
        return bool(self.changed.count or self.removed.count or self.added.count)

    def show(self, row: int, before: object, after: object) -> None:
        if len(self.examples) < SHOWN:
            shown = {"row": row, "before": _shown(before), "after": _shown(after)}
            self.examples.append(shown)


def to_line(row: Mapping[str, Any]) -> bytes:
    """The row as JSON without its line's end: in UTF-8, save where half a surrogate pair must stay escaped."""
    try:
        return json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(row).encode()


def canonical(line: bytes) -> bytes:
    """The same for lines that say the same, whatever the order of their fields and the spaces between them."""
    for _, row in rows_of(1, line):
        if isinstance(row, dict):
            return json.dumps(row, sort_keys=True).encode()
    return line


def rewrite(
    source: Path, target: Path, step: Step, progress: Progress, begin: Callable[[int, bytes], None] | None = None
) -> Outcome:
    """Write every row of ``source`` to ``target`` as ``step`` gives it back. ``begin`` is given each block of lines
    before, with the number of the first."""
    outcome = Outcome()
    with _copying(source, target, progress) as (blocks, out):
        for number, block in blocks:
            if block is None:
                outcome.too_long.add(number)
                out.write(b"\n")
                continue
            if begin is not None:
                begin(number, block)
            lines = block.split(b"\n")
            for at, row in rows_of(number, block):
                new = step(at, row)
                if new is row:
                    continue
                if new is None:
                    outcome.removed.add(at)
                    lines[at - number] = b""
                else:
                    assert isinstance(new, dict)
                    outcome.changed.add(at)
                    outcome.show(at, row, new)
                    lines[at - number] = to_line(new)
            out.write(b"\n".join(lines) + b"\n")
    return outcome


def replace(
    source: Path, target: Path, lines: Mapping[int, bytes], added: Sequence[bytes], progress: Progress
) -> tuple[Outcome, int]:
    """Write ``source`` to ``target`` with other ``lines`` (an empty one takes the row out) at these numbers, and more
    after the last; what was done, and how many lines the source has. Lines that it does not have are left out."""
    outcome = Outcome()
    waiting = sorted(lines, reverse=True)
    last = 0
    with _copying(source, target, progress) as (blocks, out):
        for number, block in blocks:
            if block is None:
                outcome.too_long.add(number)
                block = b""
            last = number + block.count(b"\n")
            if waiting and waiting[-1] <= last:
                found = block.split(b"\n")
                while waiting and waiting[-1] <= last:
                    at = waiting.pop()
                    if _note(outcome, at, found[at - number], lines[at]):
                        found[at - number] = lines[at]
                block = b"\n".join(found)
            out.write(block + b"\n")
        for at, line in enumerate(added, last + 1):
            outcome.added.add(at)
            out.write(line + b"\n")
    return outcome, last


def _note(outcome: Outcome, at: int, before: bytes, after: bytes) -> bool:
    """Whether the line says something else after than before."""
    if canonical(before.strip(BLANK)) == canonical(after):
        return False
    old, new = _value(before), _value(after)
    if new is None:
        outcome.removed.add(at)
    elif old is None:
        outcome.added.add(at)
    else:
        outcome.changed.add(at)
        outcome.show(at, old, new)
    return True


def _value(line: bytes) -> Row | str | None:
    """What stands in a line: its row, its text where it holds none, or None where it is blank."""
    for _, row in rows_of(1, line):
        return row if isinstance(row, dict) else line.decode(errors="replace")
    return None


def _shown(value: object) -> object:
    text = json.dumps(value)
    return value if len(text) <= _SHOWN_BYTES else f"{text[:_SHOWN_BYTES]}…"


@contextmanager
def _copying(
    source: Path, target: Path, progress: Progress
) -> Iterator[tuple[Iterator[tuple[int, bytes | None]], BinaryIO]]:
    """The source's blocks and where to write; the target is whole at the end, or gone."""
    read = told = 0
    size = max(1, source.stat().st_size)

    def observe(data: bytes) -> None:
        nonlocal read, told
        read += len(data)
        if read - told >= _TOLD:
            told = read
            progress(min(1.0, read / size))

    with ExitStack() as undo:
        undo.callback(target.unlink, missing_ok=True)
        with open_regular(source) as stream, target.open("xb", buffering=1 << 20) as out:
            yield read_blocks(stream, observe), out
            out.flush()
            os.fsync(out.fileno())
        undo.pop_all()
