"""CSV and TSV: records of cells in text, each told of by its number, whatever is wrong with its neighbours."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

from modelforge.datasets.problems import shown
from modelforge.datasets.rows import MAX_LINE
from modelforge.datasets.sources.base import Reading, Table
from modelforge.datasets.sources.encoding import MARK, detect, open_text
from modelforge.datasets.sources.faults import EXCERPT, STRAY_QUOTE, TOO_LONG, UNCLOSED_QUOTE, undecodable
from modelforge.datasets.sources.grid import Cells, Record, grid, looks_known
from modelforge.errors import InvalidRequest

DELIMITERS = ",;\t|"
_NONE = "\x1f"
"""Between cells where there is one in a row: a sign that no text holds."""
_LINES = 100_000
"""That a cell may have: an open quote takes what follows for its cell until a quote closes it, or this many lines."""
_AGAIN = 100_000_000
"""Characters that are read once more because of open quotes, before cells may have but a few lines: where every line
opens one, all would be read as often as a cell may have lines."""
_FEW_LINES = 20
_ESCAPED = ('\\"', '""')
"""How some programs write a quote within a cell, and how all others do."""
_SAMPLE_LINES = 200
_SAMPLE = 256_000
"""Characters."""
_AGREEING = 0.5
"""Share of records with as many cells as the first, from which on a sign counts as the delimiter."""


class _Dialect(NamedTuple):
    delimiter: str | None
    skipped: int
    """Lines before the first record: Excel's ``sep=;``."""
    note: str | None = None
    spaced: bool = False
    """Whether a space follows each delimiter, before the quote of a cell."""
    escaped: bool = False
    """Whether a quote within a cell is written with a backslash."""


class _TooLongError(Exception):
    """A line, or a quoted cell, without an end."""


def read(path: Path, reading: Reading, *, tabs: bool = False) -> Iterator[Table]:
    """One table. ``tabs`` says that the file's name promises tabs between its cells."""
    encoding = detect(path, reading.encoding)
    with open_text(path, encoding.name) as stream:
        dialect = _dialect(stream, reading.delimiter, "\t" if tabs else None)
    with open_text(path, encoding.name) as stream:
        for _ in range(dialect.skipped):
            stream.readline(MAX_LINE)
        found = grid(_records(stream, dialect, encoding.name), reading.header, ragged=False)
        if found is None:
            return
        notes = [note for note in (encoding.note, dialect.note, *found.notes) if note is not None]
        first = found.first + dialect.skipped
        yield Table(found.items, "row", first, "", encoding.name, dialect.delimiter, notes)


def _records(stream: TextIO, dialect: _Dialect, encoding: str) -> Iterator[Record]:
    """One for each record, however many lines it has. The lines of one that cannot be read, but for its first, are read
    anew, so that an open quote swallows none of them."""
    csv.field_size_limit(MAX_LINE)
    waiting: deque[str | None] = deque()
    taken: list[str] = []
    size = again = 0

    def following() -> str | None:
        line = _line(stream)
        return line.replace(*_ESCAPED) if line and dialect.escaped else line

    def lines() -> Iterator[str]:
        nonlocal size
        while True:
            line = waiting.popleft() if waiting else following()
            # One line may be as long as a row; so may a cell, and a record has many.
            most = _LINES if again < _AGAIN else _FEW_LINES
            if line is None or len(taken) >= most or (size > MAX_LINE and taken):
                waiting.appendleft(line)
                raise _TooLongError
            if not line:
                return
            taken.append(line)
            size += len(line)
            yield line

    parser = partial(csv.reader, delimiter=dialect.delimiter or _NONE, skipinitialspace=dialect.spaced, strict=True)
    reader = parser(lines())
    while True:
        taken.clear()
        size = 0
        try:
            record = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLongError) as error:
            if not taken:  # a line that is too long, alone
                waiting.popleft()
                yield TOO_LONG
            else:
                waiting.extendleft(reversed(taken[1:]))
                again += size - len(taken[0])
                # Where the quote that closes it belongs to the next record, that is noticed only there.
                open_end = len(taken) > 1 or isinstance(error, _TooLongError) or "end of data" in str(error)
                fault = UNCLOSED_QUOTE if open_end else STRAY_QUOTE
                yield fault._replace(excerpt=taken[0].strip()[:EXCERPT])
            reader = parser(lines())
            continue
        if not record:
            yield None
            continue
        mark = None if all(map(str.isascii, record)) else MARK.search("\0".join(record))
        yield record if mark is None else undecodable(encoding, mark[0])


def _line(stream: TextIO) -> str | None:
    """The next line; an empty one at the end; None for one that is too long, which is skipped."""
    line = stream.readline(MAX_LINE)
    if len(line) < MAX_LINE:
        return line
    while line and not line.endswith(("\n", "\r")):
        line = stream.readline(MAX_LINE)
    return None


def _dialect(stream: TextIO, asked: str | None, promised: str | None) -> _Dialect:
    sample: list[str] = []
    size = 0
    # Whole lines; one that is longer than the sample may be makes it end.
    while len(sample) < _SAMPLE_LINES and size < _SAMPLE and (line := stream.readline(_SAMPLE)):
        if len(line) == _SAMPLE:
            break
        sample.append(line)
        size += len(line)
    told = sample[0].rstrip("\r\n") if sample else ""
    skipped = int(len(told) == 5 and told[:4].lower() == "sep=" and told[4] in DELIMITERS)
    if asked is not None:
        return _written(sample, _Dialect(_one_sign(asked), skipped))
    if skipped:
        return _written(sample, _Dialect(told[4], 1, "the delimiter is that of its first line, sep="))
    best: tuple[bool, float, int, str] | None = None
    for sign in DELIMITERS:
        counts, head = _counts(sample, sign, spaced=_is_spaced(sample, sign))
        if len(head) < 2:
            continue
        agreeing = counts[len(head)] / counts.total()
        known = looks_known(head)
        if agreeing < _AGREEING and not known and sign != promised:
            continue
        score = (sign == promised or known, agreeing, len(head), sign)
        best = max(best, score) if best else score
    if best is None:
        return _Dialect(None, 0, "no sign stands between cells in every row alike: read as one column")
    return _written(sample, _Dialect(best[3], 0))


def _written(sample: list[str], dialect: _Dialect) -> _Dialect:
    """With how its quotes are written."""
    assert dialect.delimiter is not None
    spaced = _is_spaced(sample, dialect.delimiter)
    escaped = any(_ESCAPED[0] in line for line in sample) and _whole(
        [line.replace(*_ESCAPED) for line in sample], dialect.delimiter, spaced
    ) > _whole(sample, dialect.delimiter, spaced)
    notes = [dialect.note, 'quotes within cells have a backslash before them: \\"' if escaped else None]
    note = "; ".join(note for note in notes if note is not None) or None
    return dialect._replace(note=note, spaced=spaced, escaped=escaped)


def _whole(sample: list[str], sign: str, spaced: bool) -> int:
    """Records before the first that cannot be read."""
    count = 0
    try:
        for _ in csv.reader(sample, delimiter=sign, skipinitialspace=spaced, strict=True):
            count += 1
    except csv.Error:
        pass
    return count


def _is_spaced(sample: list[str], sign: str) -> bool:
    """Whether people put a space behind the sign: ``"a", "b"``. A quote behind it is a cell's then, as it stands in
    most lines."""
    spaced = f'{sign} "'
    return 2 * sum(spaced in line for line in sample) > len(sample)


def _counts(sample: list[str], sign: str, *, spaced: bool) -> tuple[Counter[int], Cells]:
    """How many records have how many cells, empty ones at the end left out, and the first of them."""
    counts: Counter[int] = Counter()
    head: Cells = []
    try:
        for record in csv.reader(sample, delimiter=sign, skipinitialspace=spaced):
            while record and not record[-1].strip():
                record.pop()
            if record:
                head = head or record
                counts[max(len(record), len(head)) if len(record) < len(head) else len(record)] += 1
    except csv.Error:  # a cell that is too long; what came before it counts
        pass
    return counts, head


def _one_sign(asked: str) -> str:
    sign = {"tab": "\t", "\\t": "\t"}.get(asked.lower(), asked)
    if len(sign) != 1 or sign in '"\r\n':
        raise InvalidRequest(f"delimiter: {shown(asked)} is not one sign; write one such as ; or , or tab")
    return sign
