"""Tools in conversations: which rows can be learnt, what becomes of them, and what is said of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.datasets.formats import SHAPES
from tests.fuzz import fuzzed

CHAT = SHAPES.get("messages")
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ASKED = {"role": "user", "content": "Is it raining in Oslo?"}


def call(arguments: Any = '{"city": "Oslo"}', id: Any = "call_1", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}, **more}


def calls(*made: Any, content: Any = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(made)}


def answers(content: Any = "rain", id: Any = "call_1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


SAID = {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize("tools", [[WEATHER], [WEATHER["function"]], json.dumps([WEATHER])])
def test_a_call_and_its_answer_are_read(tools: Any) -> None:
    row = {"messages": [ASKED, calls(call()), answers(), SAID], "tools": tools}
    assert CHAT.read(row) == {
        "messages": [
            ASKED,
            {"role": "assistant", "content": "", "tool_calls": [call({"city": "Oslo"})]},
            {"role": "tool", "content": "rain", "tool_call_id": "call_1"},
            SAID,
        ],
        "tools": [WEATHER],
    }


def test_conversations_in_openais_names_have_tools_too() -> None:
    turns = [ASKED, calls(call()), answers(), SAID]
    assert CHAT.read({"conversations": turns, "tools": [WEATHER]}) == CHAT.read({"messages": turns, "tools": [WEATHER]})


@pytest.mark.parametrize("tools", [None, [], ""])
def test_no_tools_are_none(tools: Any) -> None:
    plain = {"messages": [ASKED, SAID]}
    assert CHAT.read({**plain, "tools": tools}) == CHAT.read(plain) == plain


@pytest.mark.parametrize(
    "messages",
    [
        [ASKED, calls(call())],
        [ASKED, calls(call(), call(id="call_2"), content="Let me look."), answers(), answers(id="call_2"), SAID],
        [ASKED, calls(call()), answers(""), calls(call({})), answers("sun"), SAID, ASKED, SAID],
        [ASKED, calls(call(None, id=None)), {"role": "tool", "content": "rain", "name": "weather"}, SAID],
        [ASKED, {"role": "assistant", "tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}]}],
    ],
)
def test_forms_that_are_taken(messages: list[Any]) -> None:
    assert CHAT.problems({"messages": messages}) == []


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([ASKED, answers(), SAID], "a tool answers that was not called (turn 2)"),
        ([ASKED, SAID, answers()], "a tool answers that was not called (turn 3)"),
        ([ASKED, calls(call()), SAID], "the assistant speaks before the tool has answered (turn 3)"),
        ([ASKED, calls(call()), answers(), ASKED], "the user speaks before the assistant has heard the tool (turn 4)"),
        ([ASKED, calls(call()), answers(id="call_9"), SAID], "a tool answers a call that was not made (turn 3)"),
        ([ASKED, calls(call("{city}"))], "the arguments of a tool call are no JSON object (turn 2)"),
        ([ASKED, calls(call([1]))], "the arguments of a tool call are no JSON object (turn 2)"),
        ([ASKED, calls("weather")], "a tool call has no name (turn 2)"),
        ([ASKED, calls({"function": {"name": ""}})], "a tool call has no name (turn 2)"),
        ([ASKED, {**SAID, "tool_calls": "weather"}], "the 'tool_calls' of a turn is a string, not a list (turn 2)"),
        ([ASKED, calls(call('{"a": "\\ud800"}'))], "a tool call holds half a surrogate pair (turn 2)"),
        ([ASKED, calls(call("{" + '"a": {' * 101 + "}" * 102))], "a tool call is nested too deep (turn 2)"),
        ([ASKED, calls()], "the 'content' of a turn is null, not a string (turn 2)"),
        ([ASKED, calls(call()), answers(None)], "the 'content' of a turn is null, not a string (turn 3)"),
    ],
)
def test_what_cannot_be_learnt_is_said(messages: list[Any], said: str) -> None:
    assert CHAT.problems({"messages": messages}) == [said]


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ("weather", "field 'tools' is a string, not a list of tools"),
        ({"name": "weather"}, "field 'tools' is an object, not a list of tools"),
        ([WEATHER, {"type": "function"}], "a tool has no name (tool 2)"),
        ([{"name": "weather", "description": "\ud800"}], "a tool holds half a surrogate pair (tool 1)"),
    ],
)
def test_tools_that_are_none_are_said(tools: Any, said: str) -> None:
    assert CHAT.problems({"messages": [ASKED, SAID], "tools": tools}) == [said]


def test_pairs_know_no_tools() -> None:
    pairs = SHAPES.get("prompt_chosen_rejected")
    row = {"prompt": [ASKED, calls(call()), answers()], "chosen": "a", "rejected": "b"}
    assert "content' of a turn is null" in pairs.problems(row)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@fuzzed(300)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": JSON},
            optional={"tool_calls": JSON | st.lists(JSON, max_size=2), "tool_call_id": JSON},
        ),
        max_size=4,
    ),
    JSON,
)
def test_nothing_crashes_it(messages: list[Any], tools: Any) -> None:
    seen = CHAT.look({"messages": messages, "tools": tools})
    assert isinstance(seen, dict) or seen
