"""Which shapes the rows of a dataset can have, and the one rule for whether a row can be trained on.

Validation counts by this rule and training reads by it, so they never disagree about a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelforge.datasets.answers import read_answer, read_answers, read_impossible
from modelforge.datasets.conversations import read_choice, read_conversations, read_implicit_choice, read_messages
from modelforge.datasets.problems import Problem, is_missing, text_problem
from modelforge.registry import Registry

MIN_EXAMPLES = 10
"""Usable rows that a dataset needs: with fewer, a held-out share says nothing."""

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

        A form that lacks nothing fits better than one that does; among such, the one that uses more of the row.
        """
        given = set(keys)
        form = max(
            (form for form in self.forms if given.isdisjoint(form.absent)),
            key=lambda form: (given.issuperset(form.fields), len(given.intersection(form.fields + form.optional))),
        )
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


def _read_instruction(row: Row) -> dict[str, Any] | Problem:
    """Alpaca's form: what to do, and what to do it with, a blank line between."""
    given = row.get("input")
    if given is None or (isinstance(given, str) and not given.strip()):
        return {"input": row["instruction"], "output": row["output"]}
    problem = text_problem(given)
    if problem is not None:
        return Problem(problem.code, f"field 'input' {problem}")
    return {"input": f"{row['instruction']}\n\n{given}", "output": row["output"]}


def _read_completion(row: Row) -> dict[str, Any]:
    return {"input": row["prompt"], "output": row["completion"]}


def _read_question(row: Row) -> dict[str, Any]:
    return {"input": row["question"], "output": row["answer"]}


_ASKED = ("context", "question")

SHAPES = Registry(
    "dataset shape",
    Shape(
        "input_output",
        (
            Form(("input", "output")),
            Form(("instruction", "output"), optional=("input",), read=_read_instruction),
            Form(("prompt", "completion"), read=_read_completion),
            Form(("question", "answer"), absent=("context",), read=_read_question),
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
