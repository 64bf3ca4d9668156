"""Which shapes the rows of a dataset can have, and the one rule for whether a row can be trained on.

Validation counts by this rule and training reads by it, so they never disagree about a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modelforge.registry import Registry

MIN_EXAMPLES = 10
"""Usable rows that a dataset needs: with fewer, a held-out share says nothing."""

ENDINGS = (".jsonl", ".ndjson", ".json")
"""Names of files that are read; what is in them must be JSON Lines whatever the name says."""

_TYPES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
    str: "a string",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields that every row must have, each a string that is not blank, and what must hold between them."""

    name: str
    fields: tuple[str, ...]
    rule: Callable[[Mapping[str, str]], str | None] | None = None
    """What is wrong between fields that are right each by itself; None for nothing."""


def type_name(value: object) -> str:
    """What a JSON value is, for people: ``a number``."""
    return _TYPES[type(value)]


def text_problem(value: object) -> str | None:
    """Why no field can hold this value, as the end of a sentence; None for text that a tokenizer takes."""
    if type(value) is not str:
        return f"is {type_name(value)}, not a string"
    if not value:
        return "is empty"
    if value.isspace():
        return "holds only white space"
    if "\0" in value:
        return "holds a NUL character"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON lets "\ud800" through, which is no character
            return "holds half a surrogate pair"
    return None


def problems_of(row: Mapping[str, object], shape: Shape) -> list[str]:
    """Everything that keeps a row from being trained on; an empty list for a usable row. Other fields don't matter."""
    problems = []
    for field in shape.fields:
        problem = text_problem(row[field]) if field in row else "is missing"
        if problem is not None:
            problems.append(f"field '{field}' {problem}")
    if not problems and shape.rule is not None:
        broken = shape.rule({field: str(row[field]) for field in shape.fields})
        if broken is not None:
            problems.append(broken)
    return problems


def _answer_in_context(row: Mapping[str, str]) -> str | None:
    return None if row["answer"] in row["context"] else "the answer does not stand word for word in its context"


def _two_answers(row: Mapping[str, str]) -> str | None:
    return "chosen and rejected are the same" if row["chosen"] == row["rejected"] else None


SHAPES = Registry(
    "dataset shape",
    Shape("input_output", ("input", "output")),
    Shape("context_question_answer", ("context", "question", "answer"), _answer_in_context),
    Shape("prompt_chosen_rejected", ("prompt", "chosen", "rejected"), _two_answers),
)
"""Where rows fit several shapes equally well, the first of them is taken."""


def shapes_in_words() -> str:
    """``input and output, or context, question and answer, or …``."""
    return ", or ".join(f"{', '.join(shape.fields[:-1])} and {shape.fields[-1]}" for shape in SHAPES)
