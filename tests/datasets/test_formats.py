from __future__ import annotations

from typing import Any

import pytest

from modelforge.datasets.answers import MAX_PLACES, NOT_AT_START, NOT_IN_CONTEXT
from modelforge.datasets.formats import SHAPES, misfit, shapes_in_words
from modelforge.datasets.problems import text_problem
from modelforge.errors import InvalidRequest

PAIR = SHAPES.get("input_output")
ANSWER = SHAPES.get("context_question_answer")
CHOICE = SHAPES.get("prompt_chosen_rejected")
CHAT = SHAPES.get("messages")


def turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


SYSTEM, USER, BOT, BOT_2 = turn("system", "s"), turn("user", "q"), turn("assistant", "a"), turn("assistant", "b")


def test_the_contracts_shapes_exist() -> None:
    assert {shape.name: shape.fields for shape in SHAPES} == {
        "input_output": ("input", "output"),
        "context_question_answer": ("context", "question", "answer"),
        "prompt_chosen_rejected": ("prompt", "chosen", "rejected"),
        "messages": ("messages",),
        "text": ("text",),
    }
    with pytest.raises(InvalidRequest, match="Did you mean 'input_output'"):
        SHAPES.get("input-output")
    assert shapes_in_words().startswith("input and output, or context, question and answer, or ")
    assert shapes_in_words(["messages", "input_output"]) == "messages, or input and output"


def test_what_is_wanted_is_said_in_words() -> None:
    assert misfit("text", ["input_output", "text"]) is None
    assert misfit("prompt_chosen_rejected", ["input_output", "messages"]) == (
        "has the fields prompt, chosen and rejected, and what is needed is input and output, or messages"
    )
    assert misfit(None, ["text"]) == "has no known shape, and what is needed is text"


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
    flaw = text_problem(value)
    assert (None if flaw is None else str(flaw)) == problem


def test_every_problem_of_a_row_is_named() -> None:
    assert PAIR.problems({"input": "a", "output": "b", "id": 3, "note": ""}) == []
    assert PAIR.problems({"input": 1, "text": "b"}) == [
        "field 'input' is a number, not a string",
        "field 'output' is missing",
    ]
    assert PAIR.problems({}) == ["field 'input' is missing", "field 'output' is missing"]
    assert PAIR.read({"output": "b"}) is None


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ({"input": "a", "output": "b", "id": 7}, {"input": "a", "output": "b"}),
        ({"prompt": "a", "completion": "b"}, {"input": "a", "output": "b"}),
        ({"instruction": "a", "output": "b"}, {"input": "a", "output": "b"}),
        ({"question": "a", "answer": "b", "id": "7"}, {"input": "a", "output": "b"}),
        ({"question": "a", "answer": ""}, ["field 'answer' is empty"]),
        # With a context it asks for a place in that.
        (
            {"context": "b", "question": "a", "answer": "b"},
            ["field 'input' is missing", "field 'output' is missing"],
        ),
        ({"instruction": "a", "input": "", "output": "b"}, {"input": "a", "output": "b"}),
        ({"instruction": "a", "input": None, "output": "b"}, {"input": "a", "output": "b"}),
        ({"instruction": "a", "input": "x\n", "output": "b"}, {"input": "a\n\nx\n", "output": "b"}),
        ({"prompt": "p", "instruction": "a", "input": "x", "output": "b"}, {"input": "a\n\nx", "output": "b"}),
        ({"instruction": "a", "input": 3, "output": "b"}, ["field 'input' is a number, not a string"]),
        ({"instruction": "", "input": "", "output": "b"}, ["field 'instruction' is empty"]),
        ({"instruction": "a", "input": "b"}, ["field 'output' is missing"]),
        ({"prompt": "a"}, ["field 'completion' is missing"]),
        ({"prompt": ["a"], "completion": "b"}, ["field 'prompt' is a list, not a string"]),
    ],
)
def test_pairs(row: dict[str, Any], read: object) -> None:
    assert (PAIR.read(row) or PAIR.problems(row)) == read


@pytest.mark.parametrize(
    ("row", "answers"),
    [
        ({"answer": "Ada"}, [("Ada", 0), ("Ada", 14)]),
        ({"answer": "Ada", "answer_start": 14}, [("Ada", 14)]),
        ({"answer": "Ada", "answer_start": None, "is_impossible": False}, [("Ada", 0), ("Ada", 14)]),
        ({"answer": "🙂", "answer_start": 19}, [("🙂", 19)]),
        ({"answer": "Ada", "answer_start": 13}, [NOT_AT_START]),
        ({"answer": "🙂", "answer_start": -1}, [NOT_AT_START]),
        ({"answer": "Ada", "answer_start": True}, ["field 'answer_start' is true or false, not a whole number"]),
        ({"answer": "Ada", "answer_start": 14.0}, ["field 'answer_start' is a fraction, not a whole number"]),
        # As a table holds them.
        ({"answer": "Ada", "answer_start": "14", "is_impossible": "FALSE"}, [("Ada", 14)]),
        ({"answer": "Ada", "answer_start": "", "is_impossible": ""}, [("Ada", 0), ("Ada", 14)]),
        ({"answer": "", "answer_start": "", "is_impossible": "True"}, []),
        ({"answer": "Ada", "answer_start": "x"}, ["field 'answer_start' is a string, not a whole number"]),
        ({"answers": [{"text": "Ada", "answer_start": 14}, {"text": "it"}]}, [("Ada", 14), ("it", 10)]),
        ({"answer": "ada"}, [NOT_IN_CONTEXT]),
        ({"answer": " "}, ["field 'answer' holds only white space"]),
        ({"answer": 3}, ["field 'answer' is a number, not a string"]),
        ({"answer": ""}, []),
        ({"answer": None, "answer_start": -1}, []),
        ({"answer": "", "is_impossible": True}, []),
        ({"is_impossible": True}, []),
        ({"answer": "Ada", "is_impossible": True}, ["is_impossible is true, and yet there is an answer"]),
        ({"is_impossible": False}, ["field 'answer' is missing"]),
        ({"is_impossible": "yes"}, ["field 'is_impossible' is a string, not true or false"]),
        ({}, ["field 'answer' is missing"]),
        ({"answers": {"text": ["Ada"], "answer_start": [14]}}, [("Ada", 14)]),
        (
            {"answers": {"text": ["Ada", "it", "Ada"], "answer_start": [14, 10, 14]}, "is_impossible": False},
            [("Ada", 14), ("it", 10)],
        ),
        ({"answers": {"text": [], "answer_start": []}, "is_impossible": True}, []),
        ({"answers": {"text": ["it"]}}, [("it", 10)]),
        ({"answers": {"text": ["it"], "answer_start": [9]}}, [f"{NOT_AT_START} (answer 1)"]),
        ({"answers": {"text": ["it", "that"]}}, [f"{NOT_IN_CONTEXT} (answer 2)"]),
        ({"answers": {"text": ["it", ""]}}, ["a text in field 'answers' is empty (answer 2)"]),
        (
            {"answers": {"text": ["it"], "answer_start": []}},
            ["'answer_start' in field 'answers' is not a list as long as 'text'"],
        ),
        ({"answers": {}}, ["'text' in field 'answers' is missing or not a list"]),
        ({"answers": ["it"]}, ["field 'answers' is a list, not an object with 'text' and 'answer_start'"]),
    ],
)
def test_answers_and_their_places(row: dict[str, Any], answers: list[Any]) -> None:
    row = {"context": "Ada wrote it. Ada, 🙂", "question": "Who?", **row}
    if answers and isinstance(answers[0], str):
        assert ANSWER.problems(row) == answers
    else:
        told = [{"text": text, "start": start} for text, start in answers]
        assert ANSWER.read(row) == {"context": row["context"], "question": "Who?", "answers": told}


def test_places_of_an_answer_are_limited() -> None:
    read = ANSWER.read({"context": "a" * 1_000_000, "question": "?", "answer": "a"})
    assert read is not None and len(read["answers"]) == MAX_PLACES


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ({"messages": [USER, BOT]}, [USER, BOT]),
        ({"messages": [SYSTEM, USER, {**BOT, "name": "x"}, USER, BOT_2, USER]}, [SYSTEM, USER, BOT, USER, BOT_2, USER]),
        (
            {"conversations": [{"from": w, "value": w} for w in ("system", "human", "gpt")]},
            [turn("system", "system"), turn("user", "human"), turn("assistant", "gpt")],
        ),
        ({"conversations": [USER, BOT]}, [USER, BOT]),
        ({"messages": "hello"}, "field 'messages' is a string, not a list of turns"),
        ({"messages": []}, "field 'messages' is empty"),
        ({"messages": [USER, "a"]}, "a turn is a string, not an object (turn 2)"),
        ({"messages": [USER, {"role": "assistant"}]}, "a turn has no 'content' (turn 2)"),
        ({"messages": [{"speaker": "human", "value": "q"}]}, "a turn has no 'role' (turn 1)"),
        ({"messages": [turn("system", " "), USER, BOT]}, [USER, BOT]),
        ({"messages": [turn("system", None), BOT]}, "the assistant speaks before the user (turn 2)"),
        ({"messages": [USER, turn("system", ""), BOT]}, "the 'content' of a turn is empty (turn 2)"),
        (
            {"messages": [USER, turn("assistant", [{"type": "image_url"}])]},
            "the 'content' of a turn is a list, not a string (turn 2)",
        ),
        ({"messages": [USER, turn("assistant", "")]}, "the 'content' of a turn is empty (turn 2)"),
        ({"messages": [USER, turn("assistant", None)]}, "the 'content' of a turn is null, not a string (turn 2)"),
        (
            {"messages": [USER, turn("narrator", "a")]},
            "the 'role' of a turn is neither system, user, assistant nor tool (turn 2: 'narrator')",
        ),
        ({"messages": [{"role": 1, "content": "a"}]}, "the 'role' of a turn is a number, not a string (turn 1)"),
        ({"messages": [USER]}, "no turn is the assistant's, so there is nothing to learn"),
        ({"messages": [USER, USER, BOT]}, "the user speaks twice in a row (turn 2)"),
        ({"messages": [SYSTEM, USER, BOT, BOT]}, "the assistant speaks twice in a row (turn 4)"),
        ({"messages": [BOT, USER]}, "the assistant speaks before the user (turn 1)"),
        ({"messages": [SYSTEM, BOT]}, "the assistant speaks before the user (turn 2)"),
        ({"messages": [USER, SYSTEM, BOT]}, "the system speaks after the first turn (turn 2)"),
        (
            {"conversations": [{"from": "a\n", "value": "a"}]},
            "the 'from' of a turn is neither system, human nor gpt (turn 1: 'a\\n')",
        ),
    ],
)
def test_conversations(row: dict[str, Any], read: object) -> None:
    if isinstance(read, str):
        assert CHAT.problems(row) == [read]
    else:
        assert CHAT.read(row) == {"messages": read}


PLAIN = {"prompt": "q", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (PLAIN, PLAIN),
        ({"prompt": [USER], "chosen": [BOT], "rejected": [BOT_2]}, PLAIN),
        ({"prompt": "q", "chosen": [USER, BOT], "rejected": [USER, BOT_2], "messages": [USER, BOT]}, PLAIN),
        ({"chosen": [USER, BOT], "rejected": [USER, BOT_2]}, PLAIN),
        ({"chosen": [SYSTEM, USER, BOT], "rejected": [SYSTEM, USER, BOT_2]}, {**PLAIN, "prompt": [SYSTEM, USER]}),
        ({"prompt": [USER, BOT, USER], "chosen": "a", "rejected": "b"}, {**PLAIN, "prompt": [USER, BOT, USER]}),
        ({**PLAIN, "rejected": "a"}, "chosen and rejected are the same"),
        ({"chosen": [USER, BOT], "rejected": [USER, BOT]}, "chosen and rejected are the same"),
        ({**PLAIN, "prompt": ""}, "field 'prompt' is empty"),
        ({**PLAIN, "chosen": None}, "field 'chosen' is null, not a string"),
        ({"chosen": "a", "rejected": "b"}, "field 'prompt' is missing"),
        ({"chosen": [BOT], "rejected": [BOT_2]}, "chosen and rejected hold no question, and field 'prompt' is missing"),
        (
            {"chosen": [USER, BOT], "rejected": [turn("user", "x"), BOT_2]},
            "chosen and rejected differ before their last turn",
        ),
        ({**PLAIN, "prompt": [USER, BOT]}, "the prompt does not end with the user's turn (turn 2)"),
        ({**PLAIN, "prompt": [USER, USER]}, "the user speaks twice in a row ('prompt', turn 2)"),
        ({**PLAIN, "chosen": [USER]}, "the last turn in 'chosen' is not the assistant's (turn 1)"),
        (
            {**PLAIN, "rejected": [turn("user", "x"), BOT_2]},
            "the conversation in 'rejected' does not begin with the prompt",
        ),
        (
            {**PLAIN, "chosen": [turn("assistant", " ")]},
            "the 'content' of a turn holds only white space ('chosen', turn 1)",
        ),
    ],
)
def test_choices(row: dict[str, Any], read: object) -> None:
    assert (CHOICE.read(row) or CHOICE.problems(row)) == ([read] if isinstance(read, str) else read)
