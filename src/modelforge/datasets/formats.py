"""Which shapes the rows of a dataset can have, and the one rule for whether a row can be trained on.

Validation counts by this rule and training reads by it, so they never disagree about a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelforge.datasets.answers import read_answer, read_answers, read_impossible
from modelforge.datasets.conversations import (
    read_choice,
    read_conversations,
    read_implicit_choice,
    read_messages,
    read_preference,
)
from modelforge.datasets.problems import Problem, is_missing, text_problem
from modelforge.registry import Registry

MIN_EXAMPLES = 10
"""Usable rows that a dataset needs: with fewer, a held-out share says nothing."""

_FORMS = 100
"""Orders of fields for which their form is remembered (most files have one), and fields in such an order."""

Row = Mapping[str, Any]
Reader = Callable[[Row], dict[str, Any] | Problem]


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a shape's rows down."""

    fields: tuple[str, ...]
    """What every row must have."""
    optional: tuple[str, ...] = ()
    """What a row may have; all other fields don't matter."""
    texts: tuple[str, ...] | None = None
    """Those of ``fields`` that must be strings and not blank; all of them if None."""
    absent: tuple[str, ...] = ()
    """What a row of this form does not have: with one of these it says something else."""
    read: Reader | None = None
    """The normalised row, or what is wrong with this one; given rows whose ``fields`` are there and whose ``texts`` are
    right. None takes the fields as they are."""

    @property
    def checked(self) -> tuple[str, ...]:
        return self.fields if self.texts is None else self.texts


@dataclass(frozen=True, slots=True)
class Shape:
    """What rows say, in whichever of its forms they say it; all forms are read into rows of the same fields."""

    name: str
    forms: tuple[Form, ...]
    """The contract's form first."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Those of the contract's form."""
        return self.forms[0].fields

    def form_of(self, keys: Iterable[str]) -> tuple[Form, list[str]]:
        """The form that fits a row's fields best, and which of its fields the row lacks.

        A form that lacks nothing fits better than one that does; among such, the one that uses more of the row. What is
        optional says nothing of a row that lacks the rest.
        """
        given = set(keys)

        def fit(form: Form) -> tuple[bool, int]:
            whole = given.issuperset(form.fields)
            return whole, len(given.intersection(form.fields + form.optional if whole else form.fields))

        form = max((form for form in self.forms if given.isdisjoint(form.absent)), key=fit)
        return form, [name for name in form.fields if name not in given]

    def look(self, row: Row) -> dict[str, Any] | list[Problem]:
        """The normalised row, or everything that keeps this one from being trained on."""
        form, missing = self.form_of(row)
        return look(row, form, missing)

    def read(self, row: Row) -> dict[str, Any] | None:
        """The normalised row; None where ``problems`` has something to say."""
        seen = self.look(row)
        return seen if isinstance(seen, dict) else None

    def problems(self, row: Row) -> list[str]:
        """Everything that keeps a row from being trained on, in words; an empty list for a usable row."""
        seen = self.look(row)
        return [] if isinstance(seen, dict) else [str(problem) for problem in seen]


def look(row: Row, form: Form, missing: list[str]) -> dict[str, Any] | list[Problem]:
    """What ``Shape.look`` says of a row for which ``Shape.form_of`` gave this form."""
    problems = []
    for name in form.fields:
        if name in missing:
            problems.append(is_missing(name))
        elif name in form.checked and (problem := text_problem(row[name])) is not None:
            problems.append(Problem(problem.code, f"field '{name}' {problem}"))
    if problems:
        return problems
    read = {name: row[name] for name in form.fields} if form.read is None else form.read(row)
    return [read] if isinstance(read, Problem) else read


class Looks:
    """``Shape.look`` for many rows: which form their fields fit is asked once for each order of fields."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._forms: dict[tuple[str, ...], tuple[Form, list[str]]] = {}

    def __call__(self, row: Row) -> dict[str, Any] | list[Problem]:
        keys = tuple(row)
        form = self._forms.get(keys)
        if form is None:
            form = self._shape.form_of(keys)
            if len(self._forms) < _FORMS and len(keys) < _FORMS:
                self._forms[keys] = form
        return look(row, *form)


def usable_rows(rows: Iterable[tuple[int, Any]], shape: Shape) -> Iterator[tuple[int, dict[str, Any]]]:
    """Those of the rows that can be trained on, with their line numbers, as ``Shape.read`` gives them."""
    looks = Looks(shape)
    for line, row in rows:
        if isinstance(row, dict) and isinstance(usable := looks(row), dict):
            yield line, usable


def _pair(asked: str, told: str, given: str | None = None) -> Form:
    """What is asked and what is told to it; ``given``, which may be left out, is what it is asked about, and goes a
    blank line behind."""

    def read(row: Row) -> dict[str, Any] | Problem:
        about = row.get(given) if given is not None else None
        if about is None or (isinstance(about, str) and not about.strip()):
            return {"input": row[asked], "output": row[told]}
        problem = text_problem(about)
        if problem is not None:
            return Problem(problem.code, f"field '{given}' {problem}")
        return {"input": f"{row[asked]}\n\n{about}", "output": row[told]}

    return Form((asked, told), () if given is None else (given,), read=read)


_ASKED = ("context", "question")

SHAPES = Registry(
    "dataset shape",
    Shape(
        "input_output",
        (
            Form(("input", "output")),
            _pair("instruction", "output", "input"),
            _pair("instruction", "response", "context"),
            _pair("prompt", "completion"),
            replace(_pair("question", "answer"), absent=("context",)),
            *(_pair(text, "summary") for text in ("text", "document", "article", "dialogue")),
            _pair("article", "highlights"),
        ),
    ),
    Shape(
        "context_question_answer",
        (
            Form((*_ASKED, "answer"), ("answer_start", "is_impossible"), texts=_ASKED, read=read_answer),
            Form((*_ASKED, "answers"), ("is_impossible",), texts=_ASKED, read=read_answers),
            Form((*_ASKED, "is_impossible"), texts=_ASKED, read=read_impossible),
        ),
    ),
    Shape(
        "prompt_chosen_rejected",
        (
            Form(("prompt", "chosen", "rejected"), texts=(), read=read_choice),
            Form(("chosen", "rejected"), texts=(), read=read_implicit_choice),
            Form(("input", "preferred_output", "non_preferred_output"), texts=(), read=read_preference),
        ),
    ),
    Shape(
        "messages",
        (
            Form(("messages",), ("tools",), texts=(), read=read_messages),
            Form(("conversations",), ("tools",), texts=(), read=read_conversations),
        ),
    ),
    Shape("text", (Form(("text",)),)),
)
"""Where rows have the fields of several shapes, they are of the first: data often comes with a ``text`` or ``messages``
that say once more, in another way, what the other fields say."""


def shapes_in_words(names: Iterable[str] | None = None) -> str:
    """The fields of the shapes of these names, or of all: ``input and output, or context, question and answer``."""
    shapes = SHAPES if names is None else [SHAPES.get(name) for name in names]
    return ", or ".join(_fields_in_words(shape) for shape in shapes)


def misfit(shape: str | None, wanted: Iterable[str]) -> str | None:
    """Why a dataset of this shape cannot be used where these are wanted, as the end of a sentence about it; None where
    it can. ``has the fields input and output, and what is needed is prompt, chosen and rejected``."""
    wanted = list(wanted)
    if shape in wanted:
        return None
    has = "has no known shape" if shape is None else f"has the fields {_fields_in_words(SHAPES.get(shape))}"
    return f"{has}, and what is needed is {shapes_in_words(wanted)}"


def _fields_in_words(shape: Shape) -> str:
    *others, last = shape.fields
    return f"{', '.join(others)} and {last}" if others else last
