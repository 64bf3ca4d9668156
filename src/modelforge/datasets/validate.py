"""What is in a file of rows: which shape it has, how many rows can be trained on, and what is wrong with the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelforge.datasets.formats import MIN_EXAMPLES, SHAPES, Form, Shape, look, shapes_in_words
from modelforge.datasets.problems import is_missing, shown, text_problem
from modelforge.datasets.rows import BadLine, Row, open_regular, read_rows
from modelforge.datasets.sources.kinds import READABLE
from modelforge.errors import InvalidDataset, UnsupportedMedia

_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PK\x05\x06": "an empty zip archive",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Excel or Word file",
    b"SQLite format 3\x00": "an SQLite database",
    b"%PDF-": "a PDF",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x93NUMPY": "a NumPy array",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
_HEAD = 4096
_LISTED = 5
"""Line numbers in an entry; more are counted."""
_COLUMNS = 12
"""Column names in an entry."""
_MEMO_KEYS, _MEMO_SIZE = 1000, 1000
"""Sets of columns are remembered while their names are short (in characters) and they are few."""


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
    """The same as ``errors``, in parts: ``contracts.dataset.Finding``."""
    source: dict[str, Any] | None = None
    """What the rows were read from: ``contracts.dataset.Source``."""
    converted: bool = False
    """Whether the file was made into another, which is the one that this is about."""

    @property
    def valid(self) -> bool:
        """Whether every row can be trained on."""
        return self.shape is not None and not self.num_bad


@dataclass(slots=True)
class _Tally:
    """How many lines have a problem, and which are the first."""

    place: str = ""
    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if self.count <= _LISTED:
            self.first.append(line)

    def entry(self, problem: str) -> str:
        """``lines 3, 7, 12, 40, 41 and 95 more: field 'output' is empty``."""
        numbers = [str(line) for line in self.first]
        last = f"{self.count - _LISTED} more" if self.count > _LISTED else numbers.pop()
        where = f"{'s' if self.count > 1 else ''} {', '.join(numbers)}{' and ' if numbers else ''}{last}"
        if not self.place:
            place = ""
        elif self.count == 1:
            place = f" ({self.place})"
        else:
            place = f" ({self.place} in line {self.first[0]})"
        return f"line{where}: {problem}{place}"

    @classmethod
    def merged(cls, tallies: list[_Tally]) -> _Tally:
        if len(tallies) == 1:
            return tallies[0]
        lines = sorted(line for tally in tallies for line in tally.first)
        return cls(count=sum(tally.count for tally in tallies), first=lines[:_LISTED])


@dataclass(slots=True)
class _Step:
    """What rows of one layout are for one shape."""

    shape: Shape
    form: Form
    missing: list[str]
    checked: tuple[str, ...]
    """Fields that the rows have and that must be text."""
    usable: int = 0


@dataclass(slots=True)
class _Layout:
    """Rows whose fields fit each shape in the same form, and lack the same fields of it."""

    steps: tuple[_Step, ...]
    """One for each shape."""
    taken: tuple[_Step, ...]
    """Those of which something can be said by looking at a row's values."""
    rows: _Tally = field(default_factory=_Tally)

    def first(self) -> _Step | None:
        """The step of the shape that the rows are of, if they are of any."""
        return next((step for step in self.steps if not step.missing), None)


class _Census:
    """Counts of rows and of problems, in an amount of memory that does not depend on the file."""

    def __init__(self) -> None:
        self.rows = 0
        self.objects = 0
        self.names: dict[str, None] = {}
        self._fields = {name for shape in SHAPES for form in shape.forms for name in form.fields + form.optional}
        self._lines: dict[str, _Tally] = {}
        self._problems: dict[str, dict[str, _Tally]] = {shape.name: {} for shape in SHAPES}
        self._layouts: dict[tuple[tuple[int, str], ...], _Layout] = {}
        self._memo: dict[tuple[str, ...], _Layout] = {}
        self._known: dict[frozenset[str], _Layout] = {}

    def add(self, line: int, row: Row | BadLine) -> None:
        self.rows += 1
        if type(row) is not dict:
            assert isinstance(row, BadLine)
            self._lines.setdefault(row.kind, _Tally(row.place)).add(line)
            return
        self.objects += 1
        keys = tuple(row)
        layout = self._memo.get(keys) or self._layout_of(keys)
        layout.rows.add(line)
        for step in layout.taken:
            # The same as ``look``, quick for a row with nothing wrong.
            for name in step.checked:
                if text_problem(row[name]) is not None:
                    break
            else:
                if step.missing:
                    continue
                read = step.form.read
                if read is None or type(read(row)) is dict:
                    step.usable += 1
                    continue
            self._note(line, row, step)

    def _note(self, line: int, row: Row, step: _Step) -> None:
        seen = look(row, step.form, step.missing)
        assert isinstance(seen, list)
        tallies = self._problems[step.shape.name]
        lacking = {is_missing(name) for name in step.missing}  # counted by the layout
        for problem in seen:
            if problem not in lacking:
                tallies.setdefault(problem.kind, _Tally(problem.place)).add(line)

    def _layout_of(self, keys: tuple[str, ...]) -> _Layout:
        for key in keys:
            if len(self.names) > _COLUMNS:
                break
            self.names.setdefault(shown(key))
        known = self._fields.intersection(keys)
        layout = self._known.get(frozenset(known)) or self._new_layout(known)
        if len(self._memo) < _MEMO_SIZE and sum(map(len, keys)) < _MEMO_KEYS:
            self._memo[keys] = layout
        return layout

    def _new_layout(self, known: set[str]) -> _Layout:
        steps = []
        for shape in SHAPES:
            form, missing = shape.form_of(known)
            steps.append(_Step(shape, form, missing, tuple(name for name in form.checked if name in known)))
        key = tuple((id(step.form), ",".join(step.missing)) for step in steps)
        layout = self._layouts.get(key)
        if layout is None:
            taken = tuple(step for step in steps if step.checked or not step.missing)
            layout = self._layouts[key] = _Layout(tuple(steps), taken)
        if len(self._known) < _MEMO_SIZE:
            self._known[frozenset(known)] = layout
        return layout

    def usable(self, shape: Shape) -> int:
        """Rows that can be trained on in this shape."""
        return sum(step.usable for step in self._steps(shape))

    def _steps(self, shape: Shape) -> Iterator[_Step]:
        return (step for layout in self._layouts.values() for step in layout.steps if step.shape is shape)

    def shape(self) -> Shape | None:
        """The shape that the most rows are of and usable in; where there is none, the one whose fields most have."""
        score = {shape.name: [0, self.usable(shape), 0] for shape in SHAPES}
        for layout in self._layouts.values():
            first = layout.first()
            if first is not None:
                score[first.shape.name][0] += first.usable
            for step in layout.steps:
                score[step.shape.name][2] += 0 if step.missing else layout.rows.count
        best = max(SHAPES, key=lambda shape: score[shape.name])
        return best if score[best.name][2] else None

    def errors(self, shape: Shape | None) -> list[str]:
        entries = [tally.entry(problem) for problem, tally in self._faults(shape)]
        if shape is None and self.objects:
            entries.insert(0, self._no_shape())
        return entries

    def findings(self, shape: Shape | None) -> list[dict[str, Any]]:
        found = [
            {
                "code": "",
                "severity": "error",
                "message": problem,
                "count": tally.count,
                "rows": tally.first,
                "place": tally.place,
            }
            for problem, tally in self._faults(shape)
        ]
        if shape is None and self.objects:
            whole = {"code": "unknown_columns", "severity": "error", "count": self.objects, "rows": [], "place": ""}
            found.insert(0, {**whole, "message": self._no_shape()})
        return found

    def _faults(self, shape: Shape | None) -> list[tuple[str, _Tally]]:
        found = {problem: [tally] for problem, tally in self._lines.items()}
        if shape is not None:
            for layout in self._layouts.values():
                for step in layout.steps:
                    for name in step.missing if step.shape is shape else ():
                        found.setdefault(is_missing(name).kind, []).append(layout.rows)
            for problem, tally in self._problems[shape.name].items():
                found.setdefault(problem, []).append(tally)
        merged = [(problem, _Tally.merged(tallies)) for problem, tallies in found.items()]
        return sorted(merged, key=lambda each: each[1].first[0])

    def _no_shape(self) -> str:
        names = list(self.names)
        more = " and others" if len(names) > _COLUMNS else ""
        found = f"the columns are {', '.join(names[:_COLUMNS])}{more}" if names else "the rows have no columns"
        return f"no known shape: {found}; a row needs {shapes_in_words()}"


def validate(path: Path) -> Report:
    """Read the file once, from its first to its last byte.

    Raises UnsupportedMedia for what is no text, InvalidDataset for a file without rows and for one big JSON array,
    and what ``open_regular`` raises.
    """
    digest = hashlib.sha256()
    census = _Census()
    with open_regular(path) as stream:
        head = stream.read(_HEAD)
        _refuse_binary(head)
        stream.seek(0)
        for line, row in read_rows(stream, digest.update):
            census.add(line, row)
    if not census.rows:
        raise InvalidDataset(f"the file {'holds only blank lines' if head else 'is empty'}. {READABLE}")
    shape = census.shape()
    usable = census.objects if shape is None else census.usable(shape)
    if usable < MIN_EXAMPLES and _text_start(head).startswith(b"["):
        raise InvalidDataset(
            "the file is one JSON array, not one JSON object per line. Convert it with: "
            "python -c \"import json; open('data.jsonl', 'w').writelines(json.dumps(row) + chr(10) "
            "for row in json.load(open('data.json', encoding='utf-8')))\""
        )
    return Report(
        shape=None if shape is None else shape.name,
        num_rows=census.rows,
        num_examples=usable,
        num_bad=census.rows - usable,
        errors=census.errors(shape),
        sha256=digest.hexdigest(),
        findings=census.findings(shape),
    )


def _text_start(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()


def _refuse_binary(head: bytes) -> None:
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise UnsupportedMedia(f"the file is {kind}. {READABLE}")
    # A row that lost bytes to a crash holds NULs, too: that is one bad row. "{" and NUL is UTF-16 without its mark.
    start = _text_start(head)
    if b"\0" in head and (not start.startswith(b"{") or start.startswith(b"{\0")):
        raise UnsupportedMedia(f"the file is binary or UTF-16, not UTF-8 text. {READABLE}")
