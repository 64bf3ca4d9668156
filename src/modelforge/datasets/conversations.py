"""Conversations in a row: OpenAI's messages, ShareGPT's turns, and two answers to one conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelforge.datasets import codes
from modelforge.datasets.calls import read_calls, read_tools
from modelforge.datasets.problems import Problem, is_missing, shown, text_problem, type_name

Message = dict[str, Any]
"""``role`` (system, user, assistant or tool) and ``content``; an assistant's ``tool_calls``, and the ``tool_call_id``
and ``name`` of what a tool answers. Nothing else."""

_OPENAI = ("role", "content", {"system": "system", "user": "user", "assistant": "assistant"})
_CHAT = ("role", "content", {**_OPENAI[2], "tool": "tool"})
_SHAREGPT = (
    "from",
    "value",
    {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"},
)


def read_messages(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``messages`` of OpenAI's form, with the ``tools`` that the assistant has, if there are any."""
    return _with_tools(_told(row["messages"], "messages", _CHAT), row)


def read_conversations(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``conversations`` of ShareGPT's form, or with OpenAI's names for a turn's parts."""
    turns = row["conversations"]
    openai = type(turns) is list and bool(turns) and type(turns[0]) is dict and "role" in turns[0]
    told = _told(turns, "conversations", _CHAT if openai else _SHAREGPT)
    return _with_tools(told, row) if openai else told


def read_choice(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``prompt``, ``chosen`` and ``rejected``, each a string or a list of messages."""
    prompt = _prompt(row["prompt"])
    if isinstance(prompt, Problem):
        return prompt
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    answers = []
    for name in ("chosen", "rejected"):
        answer = _answer(row[name], name, asked)
        if isinstance(answer, Problem):
            return answer
        answers.append(answer)
    return _choice(prompt, *answers)


def read_implicit_choice(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``chosen`` and ``rejected`` as whole conversations, which differ in their last turn; the rest is the prompt."""
    if isinstance(row["chosen"], str) or isinstance(row["rejected"], str):
        return is_missing("prompt")
    chosen, rejected = (_answered(row[name], name) for name in ("chosen", "rejected"))
    if isinstance(chosen, Problem):
        return chosen
    if isinstance(rejected, Problem):
        return rejected
    if chosen[:-1] != rejected[:-1]:
        return Problem(codes.DIFFERENT_CONVERSATIONS, "chosen and rejected differ before their last turn")
    if len(chosen) == 1:
        return Problem(codes.MISSING_FIELD, "chosen and rejected hold no question, and field 'prompt' is missing")
    return _choice(_plain(chosen[:-1]), chosen[-1]["content"], rejected[-1]["content"])


def _told(value: object, field: str, names: tuple[str, str, dict[str, str]]) -> dict[str, Any] | Problem:
    messages = _messages(value, field, names)
    if isinstance(messages, Problem):
        return messages
    if not any(message["role"] == "assistant" for message in messages):
        return Problem(codes.NO_ASSISTANT_TURN, "no turn is the assistant's, so there is nothing to learn")
    return _order(messages, "") or {"messages": messages}


def _with_tools(told: dict[str, Any] | Problem, row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    tools = read_tools(row.get("tools"))
    if isinstance(told, Problem) or not tools:
        return told
    return tools if isinstance(tools, Problem) else {**told, "tools": tools}


def _choice(prompt: str | list[Message], chosen: str, rejected: str) -> dict[str, Any] | Problem:
    if chosen == rejected:
        return Problem(codes.SAME_ANSWERS, "chosen and rejected are the same")
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _prompt(value: object) -> str | list[Message] | Problem:
    if type(value) is not list:
        problem = text_problem(value)
        return Problem(problem.code, f"field 'prompt' {problem}") if problem is not None else str(value)
    messages = _messages(value, "prompt", _OPENAI)
    if isinstance(messages, Problem):
        return messages
    if messages[-1]["role"] != "user":
        return Problem(
            codes.PROMPT_WITHOUT_USER, "the prompt does not end with the user's turn", f"turn {len(messages)}"
        )
    return _order(messages, "'prompt', ") or _plain(messages)


def _answer(value: object, name: str, asked: list[Message]) -> str | Problem:
    """The text of an answer that stands alone, as one message, or at the end of the conversation ``asked``."""
    if type(value) is not list:
        problem = text_problem(value)
        return Problem(problem.code, f"field '{name}' {problem}") if problem is not None else str(value)
    messages = _answered(value, name)
    if isinstance(messages, Problem):
        return messages
    if len(messages) > 1 and messages[:-1] != asked:
        return Problem(codes.DIFFERENT_CONVERSATIONS, f"the conversation in '{name}' does not begin with the prompt")
    return str(messages[-1]["content"])


def _answered(value: object, name: str) -> list[Message] | Problem:
    """A conversation that ends with an answer, or an answer alone."""
    messages = _messages(value, name, _OPENAI)
    if isinstance(messages, Problem):
        return messages
    if messages[-1]["role"] != "assistant":
        return Problem(
            codes.ANSWER_WITHOUT_ASSISTANT, f"the last turn in '{name}' is not the assistant's", f"turn {len(messages)}"
        )
    return (_order(messages, f"'{name}', ") if len(messages) > 1 else None) or messages


def _plain(messages: list[Message]) -> str | list[Message]:
    """A conversation of one question is that question."""
    return messages[0]["content"] if len(messages) == 1 else messages


def _messages(value: object, field: str, names: tuple[str, str, dict[str, str]]) -> list[Message] | Problem:
    """Every turn with a known role and a text, in whatever order."""
    if type(value) is not list:
        return Problem(codes.WRONG_TYPE, f"field '{field}' is {type_name(value)}, not a list of turns")
    if not value:
        return Problem(codes.EMPTY_FIELD, f"field '{field}' is empty")
    role_key, text_key, roles = names
    # A row of one conversation needs not be told in which field a turn stands.
    where = "" if field in ("messages", "conversations") else f"'{field}', "
    messages = []
    for number, turn in enumerate(value, 1):
        place = f"{where}turn {number}"
        if type(turn) is not dict:
            return Problem(codes.MALFORMED_TURN, f"a turn is {type_name(turn)}, not an object", place)
        for key in (role_key, text_key):
            if key not in turn and not (key == text_key and turn.get("tool_calls") and "tool" in roles):
                return Problem(codes.MALFORMED_TURN, f"a turn has no '{key}'", place)
        said = turn[role_key]
        if type(said) is not str:
            return Problem(
                codes.MALFORMED_TURN, f"the '{role_key}' of a turn is {type_name(said)}, not a string", place
            )
        role = roles.get(said)
        if role is None:
            *others, last = (name for name in roles if role_key == "role" or name not in ("user", "assistant"))
            known = f"{', '.join(others)} nor {last}"
            return Problem(
                codes.UNKNOWN_ROLE, f"the '{role_key}' of a turn is neither {known}", f"{place}: {shown(said)}"
            )
        calls = read_calls(turn.get("tool_calls"), place) if role == "assistant" and "tool" in roles else []
        if isinstance(calls, Problem):
            return calls
        text = turn.get(text_key)
        # Who calls a tool need not say anything, and a tool may have nothing to say.
        silent = (bool(calls) and text in (None, "")) or (role == "tool" and text == "")
        problem = None if silent else text_problem(text)
        if problem is not None:
            return Problem(problem.code, f"the '{text_key}' of a turn {problem}", place)
        message: Message = {"role": role, "content": text or ""}
        if calls:
            message["tool_calls"] = calls
        if role == "tool":
            message |= {name: turn[name] for name in ("tool_call_id", "name") if text_problem(turn.get(name)) is None}
        messages.append(message)
    return messages


def _order(messages: list[Message], where: str) -> Problem | None:
    """A system message first, if there is one; then user and assistant take turns, the user first; tools answer where
    they were called."""
    first = 1 if messages[0]["role"] == "system" else 0
    expected: tuple[str, ...] = ("user",)
    ids: list[str] = []
    for number, message in enumerate(messages[first:], first + 1):
        role, place = message["role"], f"{where}turn {number}"
        if role not in expected:
            return Problem(codes.WRONG_ROLE_ORDER, _out_of_turn(role, expected, begins=number == first + 1), place)
        if role == "user":
            expected = ("assistant",)
        elif role == "tool":
            if ids and message.get("tool_call_id", ids[0]) not in ids:
                return Problem(codes.WRONG_ROLE_ORDER, "a tool answers a call that was not made", place)
            expected = ("tool", "assistant")
        else:
            calls = message.get("tool_calls", [])
            ids = [call["id"] for call in calls if "id" in call]
            expected = ("tool",) if calls else ("user",)
    return None


def _out_of_turn(role: str, expected: tuple[str, ...], *, begins: bool) -> str:
    if role == "system":
        return "the system speaks after the first turn"
    if role == "tool":
        return "a tool answers that was not called"
    if expected == ("tool",):
        return f"the {role} speaks before the tool has answered"
    if "tool" in expected:
        return f"the {role} speaks before the assistant has heard the tool"
    return f"the {role} speaks before the user" if begins else f"the {role} speaks twice in a row"
