"""Questions about a text: the places where an answer stands in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from modelforge.datasets import codes
from modelforge.datasets.problems import Problem, is_missing, text_problem, type_name

MAX_PLACES = 100
"""Places of one answer that are noted. What stands more often than that in a text says nothing about where to look, and
a hostile row would take gigabytes."""

NOT_IN_CONTEXT = "the answer does not stand word for word in its context"
NOT_AT_START = "the answer does not stand at its answer_start, counted in characters from 0"

Answer = dict[str, Any]
"""``text``, and ``start``: the character, from 0, at which it stands in the context."""


def read_answer(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """The contract's ``answer``, with ``answer_start`` and ``is_impossible`` if they are there."""
    text, start, impossible = row["answer"], _number(row.get("answer_start")), _truth(row.get("is_impossible"))
    if impossible is not None and type(impossible) is not bool:
        return Problem(codes.WRONG_TYPE, f"field 'is_impossible' is {type_name(impossible)}, not true or false")
    if start is not None and type(start) is not int:
        return Problem(codes.WRONG_TYPE, f"field 'answer_start' is {_kind(start)}, not a whole number")
    if text is None or text == "":
        return _row(row, [])
    problem = text_problem(text)
    if problem is not None:
        return Problem(problem.code, f"field 'answer' {problem}")
    if impossible:
        return Problem(codes.IMPOSSIBLE_WITH_ANSWER, "is_impossible is true, and yet there is an answer")
    found = _places(row["context"], text, start)
    return found if isinstance(found, Problem) else _row(row, found)


def read_answers(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """SQuAD's form on the hub: ``answers`` with a list of texts and a list of their places; or that of its own files, a
    list of answers."""
    answers, impossible = row["answers"], _truth(row.get("is_impossible"))
    if impossible is not None and type(impossible) is not bool:
        return Problem(codes.WRONG_TYPE, f"field 'is_impossible' is {type_name(impossible)}, not true or false")
    if type(answers) is list and all(type(answer) is dict for answer in answers):
        answers = {name: [answer.get(name) for answer in answers] for name in ("text", "answer_start")}
    if type(answers) is not dict:
        kind = f"field 'answers' is {type_name(answers)}, not an object with 'text' and 'answer_start'"
        return Problem(codes.MALFORMED_ANSWERS, kind)
    texts, starts = answers.get("text"), answers.get("answer_start")
    if type(texts) is not list:
        return Problem(codes.MALFORMED_ANSWERS, "'text' in field 'answers' is missing or not a list")
    if starts is None:
        starts = [None] * len(texts)
    if type(starts) is not list or len(starts) != len(texts):
        return Problem(codes.MALFORMED_ANSWERS, "'answer_start' in field 'answers' is not a list as long as 'text'")
    if impossible and texts:
        return Problem(codes.IMPOSSIBLE_WITH_ANSWER, "is_impossible is true, and yet there is an answer")
    found: list[Answer] = []
    for number, (text, start) in enumerate(zip(texts, starts, strict=True), 1):
        place = f"answer {number}"
        problem = text_problem(text)
        if problem is not None:
            return Problem(problem.code, f"a text in field 'answers' {problem}", place)
        if start is not None and type(start) is not int:
            kind = f"an 'answer_start' in field 'answers' is {_kind(start)}, not a whole number"
            return Problem(codes.MALFORMED_ANSWERS, kind, place)
        places = _places(row["context"], text, start)
        if isinstance(places, Problem):
            return places._replace(place=place)
        # Several people who gave the same answer are one answer.
        found += [each for each in places if each not in found]
    return _row(row, found)


def read_impossible(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``is_impossible`` alone."""
    impossible = _truth(row["is_impossible"])
    if impossible is not None and type(impossible) is not bool:
        return Problem(codes.WRONG_TYPE, f"field 'is_impossible' is {type_name(impossible)}, not true or false")
    return _row(row, []) if impossible else is_missing("answer")


def _number(value: object) -> object:
    """A cell of a table, which holds numbers as text; all else as it is."""
    if type(value) is not str:
        return value
    return int(value) if value.isdecimal() and len(value) < 10 else value or None


def _truth(value: object) -> object:
    if type(value) is not str:
        return value
    return {"true": True, "false": False, "": None}.get(value.strip().lower(), value)


def _row(row: Mapping[str, Any], answers: list[Answer]) -> dict[str, Any]:
    return {"context": row["context"], "question": row["question"], "answers": answers}


def _places(context: str, text: str, start: int | None) -> list[Answer] | Problem:
    """The given place, or every place from the first to the last."""
    if start is not None:
        # A negative one would count from the end.
        stands = start >= 0 and context.startswith(text, start)
        return [{"text": text, "start": start}] if stands else Problem(codes.ANSWER_NOT_AT_START, NOT_AT_START)
    places = [{"text": text, "start": at} for at in places_of(context, text)]
    return places or Problem(codes.ANSWER_NOT_IN_CONTEXT, NOT_IN_CONTEXT)


def places_of(context: str, text: str) -> list[int]:
    """Where an answer stands in a text, as far as places are noted."""
    return list(islice(_finds(context, text), MAX_PLACES))


def _finds(context: str, text: str) -> Iterator[int]:
    at = context.find(text)
    while at >= 0:
        yield at
        at = context.find(text, at + 1)


def _kind(value: object) -> str:
    return "a fraction" if type(value) is float else type_name(value)
