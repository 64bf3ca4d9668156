"""Counts of rows and of problems, row by row, in an amount of memory that does not depend on the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from modelforge.datasets import codes
from modelforge.datasets.content import spots, texts
from modelforge.datasets.formats import SHAPES, Form, Shape, look, shapes_in_words
from modelforge.datasets.problems import is_missing, shown, text_problem
from modelforge.datasets.rows import BadLine, Row
from modelforge.datasets.tally import Tally, finding, shortened

_COLUMNS = 12
"""Column names in an entry."""
_MEMO_KEYS, _MEMO_SIZE = 1000, 1000
"""Sets of columns are remembered while their names are short (in characters) and they are few."""
_LOOKED_AT = 1_000_000
"""Characters of a text that are looked at for what may be wrong in it."""

Key = tuple[tuple[int, tuple[str, ...]], ...]
"""For each shape, the number of the form that rows fit best, and which of its fields they lack."""


@dataclass(slots=True)
class _Step:
    """What rows of one layout are for one shape."""

    shape: Shape
    form: Form
    missing: tuple[str, ...]
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
    learnt: tuple[str, ...]
    """The fields that are learnt from."""
    rows: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, key: Key) -> _Layout:
        steps = []
        for shape, (number, missing) in zip(SHAPES, key, strict=True):
            form = shape.forms[number]
            steps.append(_Step(shape, form, missing, tuple(name for name in form.checked if name not in missing)))
        whole = next((step for step in steps if not step.missing), None)
        learnt = () if whole is None else whole.form.fields + whole.form.optional
        return cls(tuple(steps), tuple(step for step in steps if step.checked or not step.missing), learnt)

    def first(self) -> _Step | None:
        """The step of the shape that the rows are of, if they are of any."""
        return next((step for step in self.steps if not step.missing), None)


@dataclass(slots=True)
class Counts:
    """What a census of a part of a file came to, to be sent to another process."""

    rows: int
    objects: int
    names: list[str]
    lines: dict[str, Tally]
    problems: dict[str, dict[str, Tally]]
    content: dict[str, Tally]
    layouts: dict[Key, tuple[Tally, list[int]]]


class Census:
    """Counts rows and problems."""

    def __init__(self) -> None:
        self.rows = 0
        self.objects = 0
        self._names: dict[str, None] = {}
        self._fields = {name for shape in SHAPES for form in shape.forms for name in form.fields + form.optional}
        self._lines: dict[str, Tally] = {}
        self._problems: dict[str, dict[str, Tally]] = {shape.name: {} for shape in SHAPES}
        self._content: dict[str, Tally] = {}
        self._layouts: dict[Key, _Layout] = {}
        self._memo: dict[tuple[str, ...], _Layout] = {}
        self._known: dict[frozenset[str], _Layout] = {}

    def add(self, line: int, row: Row | BadLine, suspect: bool) -> None:
        """``suspect`` says whether the row's texts may have something wrong."""
        self.rows += 1
        if type(row) is not dict:
            assert isinstance(row, BadLine)
            tally = self._lines.get(row.kind)
            if tally is None:
                tally = self._lines[row.kind] = Tally(row.code, row.place, excerpt=row.excerpt)
            tally.add(line)
            return
        self.objects += 1
        keys = tuple(row)
        layout = self._memo.get(keys) or self._layout_of(keys)
        layout.rows.add(line)
        if layout.rows.count == 1:
            layout.rows.excerpt = _excerpt(row)
        loose = False
        for step in layout.taken:
            # The same as ``look``, quick for a row with nothing wrong.
            for name in step.checked:
                value = row[name]
                if text_problem(value) is not None:
                    break
                if value.strip() != value:
                    loose = True
            else:
                if step.missing:
                    continue
                read = step.form.read
                if read is None or type(read(row)) is dict:
                    step.usable += 1
                    continue
            self._note(line, row, step)
        if loose:
            self._note_loose(line, row, layout)
        if suspect and layout.learnt:
            self._note_content(line, row, layout)

    def _note(self, line: int, row: Row, step: _Step) -> None:
        seen = look(row, step.form, list(step.missing))
        assert isinstance(seen, list)
        tallies = self._problems[step.shape.name]
        lacking = {is_missing(name) for name in step.missing}  # counted by the layout
        for problem in seen:
            if problem not in lacking:
                tally = tallies.get(problem.kind)
                if tally is None:
                    tally = tallies[problem.kind] = Tally(problem.code, problem.place, excerpt=_excerpt(row))
                tally.add(line)

    def _note_loose(self, line: int, row: Row, layout: _Layout) -> None:
        for name in layout.learnt:
            value = row.get(name)
            if type(value) is str and value.strip() != value and value.strip():
                self._tell(line, codes.SURROUNDING_WHITESPACE, f"field '{name}'", value, 0)
                return

    def _note_content(self, line: int, row: Row, layout: _Layout) -> None:
        told: set[str] = set()
        for name in layout.learnt:
            for text in texts(row.get(name)):
                for spot in spots(text[:_LOOKED_AT]):
                    if spot.code.name not in told:
                        told.add(spot.code.name)
                        self._tell(line, spot.code, f"field '{name}'", text, spot.start)

    def _tell(self, line: int, code: codes.Code, place: str, text: str, at: int) -> None:
        tally = self._content.get(code.name)
        if tally is None:
            tally = self._content[code.name] = Tally(code, place, excerpt=shortened(text, at))
        tally.add(line)

    def _layout_of(self, keys: tuple[str, ...]) -> _Layout:
        for key in keys:
            if len(self._names) > _COLUMNS:
                break
            self._names.setdefault(shown(key))
        known = self._fields.intersection(keys)
        layout = self._known.get(frozenset(known)) or self._new_layout(known)
        if len(self._memo) < _MEMO_SIZE and sum(map(len, keys)) < _MEMO_KEYS:
            self._memo[keys] = layout
        return layout

    def _new_layout(self, known: set[str]) -> _Layout:
        key = []
        for shape in SHAPES:
            form, missing = shape.form_of(known)
            key.append((shape.forms.index(form), tuple(missing)))
        layout = self._layouts.setdefault(tuple(key), _Layout.of(tuple(key)))
        if len(self._known) < _MEMO_SIZE:
            self._known[frozenset(known)] = layout
        return layout

    def counts(self) -> Counts:
        """All that was counted."""
        layouts = {key: (each.rows, [step.usable for step in each.steps]) for key, each in self._layouts.items()}
        return Counts(self.rows, self.objects, list(self._names), self._lines, self._problems, self._content, layouts)

    def take(self, counts: Counts, lines: int) -> None:
        """Add what was counted in a later part of the file, which has so many lines before it."""
        self.rows += counts.rows
        self.objects += counts.objects
        for name in counts.names:
            if len(self._names) <= _COLUMNS:
                self._names.setdefault(name)
        _take(self._lines, counts.lines, lines)
        _take(self._content, counts.content, lines)
        for shape, tallies in counts.problems.items():
            _take(self._problems[shape], tallies, lines)
        for key, (rows, usable) in counts.layouts.items():
            layout = self._layouts.setdefault(key, _Layout.of(key))
            layout.rows = Tally.merged([layout.rows, rows.later(lines)] if layout.rows.count else [rows.later(lines)])
            for step, more in zip(layout.steps, usable, strict=True):
                step.usable += more

    def usable(self, shape: Shape) -> int:
        """Rows that can be trained on in this shape."""
        return sum(step.usable for step in self._steps(shape))

    def _steps(self, shape: Shape) -> Iterator[_Step]:
        return (step for layout in self._layouts.values() for step in layout.steps if step.shape is shape)

    def shape(self) -> Shape | None:
        """The shape that the most rows are of and usable in; where there is none, the one whose fields most have. None
        where nothing but a field is missing, as it may go by another name."""
        score = {shape.name: [0, self.usable(shape), 0] for shape in SHAPES}
        for layout in self._layouts.values():
            first = layout.first()
            if first is not None:
                score[first.shape.name][0] += first.usable
            for step in layout.steps:
                score[step.shape.name][2] += 0 if step.missing else layout.rows.count
        best = max(SHAPES, key=lambda shape: score[shape.name])
        _, usable, whole = score[best.name]
        lacking = (tally for tally in self._problems[best.name].values() if tally.code == codes.MISSING_FIELD)
        return best if usable or whole > 2 * sum(tally.count for tally in lacking) else None

    def errors(self, shape: Shape | None) -> list[str]:
        """Why rows cannot be trained on: an entry per kind of problem with its lines, by the first of them."""
        entries = [tally.entry(problem) for problem, tally in self._faults(shape)]
        if shape is None and self.objects:
            entries.insert(0, self._no_shape())
        return entries

    def findings(self, shape: Shape | None) -> list[dict[str, Any]]:
        """The same, and what is wrong with the texts of rows, as ``contracts.finding.Finding``."""
        found = [tally.finding(problem) for problem, tally in self._faults(shape)]
        if shape is None and self.objects:
            everywhere = Tally.merged(layout.rows for layout in self._layouts.values())
            message, excerpt = self._no_shape(), everywhere.excerpt
            found.insert(0, finding(codes.UNKNOWN_COLUMNS, message, everywhere.count, everywhere.first, "", excerpt))
        return found + [
            self._content[code.name].finding(code.says) for code in codes.CODES if code.name in self._content
        ]

    def _faults(self, shape: Shape | None) -> list[tuple[str, Tally]]:
        found = {problem: [tally] for problem, tally in self._lines.items()}
        if shape is not None:
            for layout in self._layouts.values():
                for step in layout.steps:
                    for name in step.missing if step.shape is shape else ():
                        problem = is_missing(name)
                        rows = layout.rows
                        lacking = Tally(problem.code, "", rows.count, rows.first, rows.excerpt)
                        found.setdefault(problem.kind, []).append(lacking)
            for kind, tally in self._problems[shape.name].items():
                found.setdefault(kind, []).append(tally)
        merged = [(problem, Tally.merged(tallies)) for problem, tallies in found.items()]
        return sorted(merged, key=lambda each: each[1].first[0])

    def _no_shape(self) -> str:
        names = list(self._names)
        more = " and others" if len(names) > _COLUMNS else ""
        found = f"the columns are {', '.join(names[:_COLUMNS])}{more}" if names else "the rows have no columns"
        return f"no known shape: {found}; a row needs {shapes_in_words()}"


def _take(tallies: dict[str, Tally], more: dict[str, Tally], lines: int) -> None:
    for kind, tally in more.items():
        later = tally.later(lines)
        tallies[kind] = Tally.merged([tallies[kind], later]) if kind in tallies else later


def _excerpt(row: Row) -> str:
    """How a row begins, written as it may stand in a file."""
    short = {key[:40]: value[:400] if type(value) is str else value for key, value in list(row.items())[:12]}
    return json.dumps(short, ensure_ascii=False)[:1000]
