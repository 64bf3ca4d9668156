"""What is in a file of rows: which shape it has, how many rows can be trained on, and what is wrong with the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from modelforge.datasets.census import Census, Counts
from modelforge.datasets.content import suspects
from modelforge.datasets.parts import Part, blocks_of, divided, in_parts
from modelforge.datasets.rows import TOO_LONG, open_regular, rows_of
from modelforge.datasets.sources.kinds import READABLE
from modelforge.datasets.stages import Tell, untold
from modelforge.errors import InvalidDataset

_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in a file."""

    shape: str | None
    """The shape that most rows fit; None when no row has the columns of one."""
    num_rows: int
    """Lines that are not blank."""
    num_examples: int
    """Rows that can be trained on; where there is no shape, rows that are JSON objects."""
    num_bad: int
    """The other rows."""
    errors: list[str]
    """One entry per kind of problem with its lines, by the first of them."""
    sha256: str
    """Of the file's bytes, in hexadecimal."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """The same as ``errors``, and what is wrong with the texts of usable rows: ``contracts.finding.Finding``."""
    source: dict[str, Any] | None = None
    """What the rows were read from: ``contracts.dataset.Source``."""
    converted: bool = False
    """Whether the file was made into another, which is the one that this is about."""

    @property
    def valid(self) -> bool:
        """Whether every row can be trained on."""
        return self.shape is not None and not self.num_bad


def validate(path: Path, processes: int | None = None, tell: Tell = untold) -> Report:
    """Read the file from its first to its last byte; a large one by several processes, at most ``processes``. ``tell``
    is told which share of it was read.

    Raises InvalidDataset for a file without rows, and what ``open_regular`` raises.
    """
    census, sha256 = _counted(path, divided(path, processes), tell)
    if not census.rows:
        raise InvalidDataset(f"the file {'holds only blank lines' if path.stat().st_size else 'is empty'}. {READABLE}")
    shape = census.shape()
    usable = census.objects if shape is None else census.usable(shape)
    return Report(
        shape=None if shape is None else shape.name,
        num_rows=census.rows,
        num_examples=usable,
        num_bad=census.rows - usable,
        errors=census.errors(shape),
        sha256=sha256,
        findings=census.findings(shape),
    )


def _counted(path: Path, parts: list[Part], tell: Tell) -> tuple[Census, str]:
    digest = hashlib.sha256()
    if len(parts) == 1:
        return _census(path, parts[0], tell, digest.update)[0], digest.hexdigest()
    census, lines = Census(), 0
    with ThreadPoolExecutor(1) as beside:
        # A digest goes by the bytes' order; the interpreter is free while it is computed.
        hashing = beside.submit(_hash, path, digest.update)
        for counts, length in in_parts(partial(_counts, tell=tell), path, parts):
            census.take(counts, lines)
            lines += length
        hashing.result()
    return census, digest.hexdigest()


def _counts(path: Path, part: Part, tell: Tell) -> tuple[Counts, int]:
    census, lines = _census(path, part, tell)
    return census.counts(), lines


def _census(path: Path, part: Part, tell: Tell, observe: Callable[[bytes], object] | None = None) -> tuple[Census, int]:
    """What is in a part of a file, and how many lines it has. The first part, by which all are judged, tells how far it
    is."""
    census, lines, read = Census(), 0, 0
    size = max(1, path.stat().st_size if part.end is None else part.end)

    def observed(piece: bytes) -> None:
        nonlocal read
        read += len(piece)
        if part.start == 0:
            tell(read / size)
        if observe is not None:
            observe(piece)

    for number, block in blocks_of(path, part, observed):
        if block is None:
            census.add(number, TOO_LONG, False)
            lines = number
            continue
        odd = suspects(block)
        for line, row in rows_of(number, block):
            census.add(line, row, line - number in odd)
        lines = number + block.count(b"\n")
    return census, lines


def _hash(path: Path, update: Callable[[bytes], object]) -> None:
    with open_regular(path) as stream:
        while chunk := stream.read(_CHUNK):
            update(chunk)
