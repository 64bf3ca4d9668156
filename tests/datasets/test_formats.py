from __future__ import annotations

import pytest

from modelforge.datasets.formats import SHAPES, problems_of, shapes_in_words, text_problem
from modelforge.errors import InvalidRequest

PAIR = SHAPES.get("input_output")


def test_the_contracts_shapes_exist() -> None:
    assert {shape.name: shape.fields for shape in SHAPES} == {
        "input_output": ("input", "output"),
        "context_question_answer": ("context", "question", "answer"),
        "prompt_chosen_rejected": ("prompt", "chosen", "rejected"),
    }
    with pytest.raises(InvalidRequest, match="Did you mean 'input_output'"):
        SHAPES.get("input-output")
    assert shapes_in_words().startswith("input and output, or context, question and answer, or ")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("text", None),
        (" né 漢字 \U0001f600\n", None),
        ("\u200b", None),
        ("", "is empty"),
        (" \t\r\n\u00a0\u3000", "holds only white space"),
        ("a\0b", "holds a NUL character"),
        ("a\ud83d", "holds half a surrogate pair"),
        (None, "is null, not a string"),
        (True, "is true or false, not a string"),
        (3, "is a number, not a string"),
        (0.5, "is a number, not a string"),
        (["a"], "is a list, not a string"),
        ({}, "is an object, not a string"),
    ],
)
def test_what_a_field_may_hold(value: object, problem: str | None) -> None:
    assert text_problem(value) == problem


def test_every_problem_of_a_row_is_named() -> None:
    assert problems_of({"input": "a", "output": "b", "id": 3, "note": ""}, PAIR) == []
    assert problems_of({"input": 1, "text": "b"}, PAIR) == [
        "field 'input' is a number, not a string",
        "field 'output' is missing",
    ]


def test_an_answer_stands_word_for_word_in_its_context() -> None:
    shape = SHAPES.get("context_question_answer")
    row = {"context": "Ada wrote it.", "question": "Who?", "answer": "Ada"}
    assert problems_of(row, shape) == []
    assert problems_of({**row, "answer": "ada"}, shape) == ["the answer does not stand word for word in its context"]
    assert problems_of({**row, "answer": " "}, shape) == ["field 'answer' holds only white space"]


def test_chosen_and_rejected_differ() -> None:
    shape = SHAPES.get("prompt_chosen_rejected")
    assert problems_of({"prompt": "a", "chosen": "b", "rejected": "c"}, shape) == []
    assert problems_of({"prompt": "a", "chosen": "b", "rejected": "b"}, shape) == ["chosen and rejected are the same"]
