"""Mappings: what is suggested for the tables that people have, and what becomes of their rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.contracts.version import ColumnMapping
from modelforge.datasets.columns import look_at
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.mapping import Mapper, Template
from modelforge.datasets.suggest import suggest
from modelforge.errors import InvalidRequest
from tests.fuzz import fuzzed

PASSAGE = "The harbour's lighthouse number {0} was built in the year 19{0:02}, and its keeper was called Ada."
CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def table(**columns: Any) -> list[dict[str, Any]]:
    """Twenty rows; texts have the row's number in them."""
    return [
        {name: value.format(i) if isinstance(value, str) else value for name, value in columns.items()}
        for i in range(20)
    ]


@pytest.mark.parametrize(
    ("columns", "shape", "fields"),
    [
        ({"question": "Is it {}?", "reply": "It is {}."}, "input_output", {"input": "question", "output": "reply"}),
        ({"Frage": "Ist {}?", "Antwort": "Ja {}"}, "input_output", {"input": "Frage", "output": "Antwort"}),
        ({"pregunta": "¿{}?", "respuesta": "{}"}, "input_output", {"input": "pregunta", "output": "respuesta"}),
        ({"Réponse": "Oui {}", "Question": "{} ?"}, "input_output", {"input": "Question", "output": "Réponse"}),
        ({"问题": "{}是什么？", "答案": "是{}"}, "input_output", {"input": "问题", "output": "答案"}),
        ({"Вопрос": "Что {}?", "Ответ": "Это {}"}, "input_output", {"input": "Вопрос", "output": "Ответ"}),
        ({"질문": "{}?", "답변": "{}"}, "input_output", {"input": "질문", "output": "답변"}),
        ({"سؤال": "{}؟", "إجابة": "{}"}, "input_output", {"input": "سؤال", "output": "إجابة"}),
        ({"userPrompt": "Say {}", "model_response": "{}!"}, "input_output",
         {"input": "userPrompt", "output": "model_response"}),
        ({"article": PASSAGE, "highlights": "Lighthouse {}"}, "input_output",
         {"input": "article", "output": "highlights"}),
        ({"Texto": PASSAGE, "Resumen": "El faro {}"}, "input_output", {"input": "Texto", "output": "Resumen"}),
        ({"id": "{}", "passage": PASSAGE, "query": "When was {} built?", "answer": "19{0:02}"},
         "context_question_answer", {"context": "passage", "question": "query", "answer": "answer"}),
        ({"query": "What is {}?", "preferred": "Good {}", "dispreferred": "Bad {}"}, "prompt_chosen_rejected",
         {"prompt": "query", "chosen": "preferred", "rejected": "dispreferred"}),
        ({"system_prompt": "Be {}", "question": "What {}?", "response": "So {}"}, "messages",
         {"system": "system_prompt", "user": "question", "assistant": "response"}),
        ({"dialog": CHAT, "id": "{}"}, "messages", {"messages": "dialog"}),
        ({"date": "2024-01-02", "a": "{0}. " + PASSAGE, "b": PASSAGE + " {0}", "kind": "x"}, "input_output",
         {"input": "a", "output": "b"}),
        ({"a": "It is {} o'clock now", "b": "What time is {}, please?"}, "input_output",
         {"input": "b", "output": "a"}),
        ({"nr": 1, "story": PASSAGE, "tag": "old"}, "text", {"text": "story"}),
    ],
)  # fmt: skip
def test_what_people_call_their_columns(columns: dict[str, Any], shape: str, fields: dict[str, str]) -> None:
    best = suggest(table(**columns))[0]
    assert best.mapping == ColumnMapping(shape=shape, fields={name: f"{{{each}}}" for name, each in fields.items()})
    assert best.usable == best.looked_at == 20 and len(best.examples) == 3 and best.reason


def test_an_answer_in_other_words_is_no_extraction() -> None:
    best = suggest(table(context=PASSAGE, question="Who kept {}?", answer="It was the well-known Ada, {}"))[0]
    assert best.mapping.fields == {"input": "{context}\n\n{question}", "output": "{answer}"}
    some = [{**row, "context": None} if at % 2 else row for at, row in enumerate(table(
        context=PASSAGE, instruction="Tell of {}", response="{} it is"
    ))]  # fmt: skip
    best = suggest(some)[0]
    assert best.usable == 20 and best.examples[1] == {"input": "Tell of 1", "output": "1 it is"}


def test_nothing_is_suggested_for_what_nobody_could_learn_from() -> None:
    for rows in ([], table(x=1, y=2.5, z=None), table(kind="a", state="b"), [{}] * 20, [{"a{b": "text {}"}] * 20):
        assert suggest(rows) == []


def test_columns_are_looked_at() -> None:
    rows = [{"n": 1, "t": "one two", "c": CHAT, "l": [1], "o": {}, "b": True, "e": None}, {"t": ""}]
    told = {look.name: (look.kind, look.filled) for look in look_at(rows)}
    assert told == {
        "n": ("number", 0.5), "t": ("text", 0.5), "c": ("conversation", 0.5), "l": ("list", 0.5),
        "o": ("object", 0.5), "b": ("true or false", 0.5), "e": ("empty", 0.0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{a}", "A"),
        ("{n}", "42"),
        ("{t}", "true"),
        ("{none}", None),
        ("{l}", [1]),
        ("{a}: {n}", "A: 42"),
        ("{none}\n\n{a}", "A"),
        ("{l}!", "[1]!"),
        ("{{{a}}} {{none}}", "{A} {none}"),
        ("no column", "no column"),
    ],
)
def test_templates(template: str, filled: object) -> None:
    assert Template(template).fill({"a": "A", "n": 42, "t": True, "l": [1]}) == filled


@fuzzed(300)
@given(text=st.text(alphabet="{}ab ", max_size=12) | st.text(max_size=12), row=st.dictionaries(st.text(), st.text()))
def test_no_template_breaks_it(text: str, row: dict[str, str]) -> None:
    try:
        template = Template(text)
    except InvalidRequest:
        assert {"{", "}"} & set(text)
        return
    assert isinstance(template.fill(row), str | None)


def test_numbers_of_places_stay_numbers() -> None:
    mapper = Mapper(
        "context_question_answer",
        {"context": "{c}", "question": "{q}", "answer": "{a}", "answer_start": "{s}", "is_impossible": "{i}"},
    )
    row = mapper.apply({"c": "ab", "q": "q", "a": "b", "s": 1, "i": False})
    assert row == {"context": "ab", "question": "q", "answer": "b", "answer_start": 1, "is_impossible": False}
    assert SHAPES.get("context_question_answer").problems(row) == []


def test_turns_are_put_together() -> None:
    mapper = Mapper("messages", {"system": "You are {name}.", "user": "{q}", "assistant": "{a}"})
    assert mapper.apply({"name": "Ada", "q": "Hi", "a": 7})["messages"] == [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "7"},
    ]
    silent = Mapper("messages", {"system": "{s}", "user": "{q}", "assistant": "{a}"}).apply({"q": "Hi", "a": "Ho"})
    assert [turn["role"] for turn in silent["messages"]] == ["user", "assistant"]


@fuzzed(200)
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["question", "answer", "context", "{", "\ud800", "text", "chosen", "x"]),
            st.none() | st.text(max_size=5) | st.integers() | st.floats() | st.lists(st.text(max_size=2), max_size=2),
        ),
        max_size=5,
    )
)
def test_no_table_breaks_a_suggestion(rows: list[dict[str, Any]]) -> None:
    for each in suggest(rows):
        each.model_dump_json()
        Mapper(each.mapping.shape, each.mapping.fields)
    for look in look_at(rows):
        look.to_contract().model_dump_json()
