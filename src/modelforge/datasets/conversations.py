"""Conversations in a row: OpenAI's messages, ShareGPT's turns, and two answers to one conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from modelforge.datasets import codes
from modelforge.datasets.calls import parsed, read_calls, read_tools
from modelforge.datasets.problems import Problem, is_missing, shown, text_problem, type_name

Message = dict[str, Any]
"""``role`` (system, user, assistant or tool) and ``content``; an assistant's ``tool_calls``, and the ``tool_call_id``
and ``name`` of what a tool answers. Nothing else."""


class _Names(NamedTuple):
    """What a turn's parts are called, and who may speak."""

    role: str
    text: str
    roles: Mapping[str, str]
    """Each with the one that it is here."""
    told: str
    """Those that are told of, as the end of a sentence."""


_SYSTEM = dict.fromkeys(("system", "developer"), "system")
_USER = dict.fromkeys(("user", "human", "prompter"), "user")
_ASSISTANT = dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model", "ai"), "assistant")
"""What exports of chats call the three who speak."""
_SPEAKERS = {**_SYSTEM, **_USER, **_ASSISTANT}
_OPENAI = _Names("role", "content", _SPEAKERS, "neither system, user nor assistant")
_CHAT = _Names("role", "content", {**_SPEAKERS, "tool": "tool"}, "neither system, user, assistant nor tool")
_SHAREGPT = _Names("from", "value", _SPEAKERS, "neither system, human nor gpt")
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
"""In a conversation written as one text, where a turn begins: Anthropic's HH-RLHF."""


def read_messages(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``messages`` of OpenAI's form, with the ``tools`` that the assistant has, if there are any."""
    return _read(row["messages"], "messages", _CHAT, row)


def read_conversations(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``conversations`` of ShareGPT's form."""
    return _read(row["conversations"], "conversations", _SHAREGPT, row)


def _read(value: object, field: str, usual: _Names, row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """Either form under either name, and as JSON in a string, as tables have it."""
    turns = parsed(value) if isinstance(value, str) else value
    first = turns[0] if type(turns) is list and turns else None
    names = next((each for each in (_CHAT, _SHAREGPT) if type(first) is dict and each.role in first), usual)
    messages = _messages(turns if type(turns) is list else value, field, names)
    if isinstance(messages, Problem):
        return messages
    if not any(message["role"] == "assistant" for message in messages):
        return Problem(codes.NO_ASSISTANT_TURN, "no turn is the assistant's, so there is nothing to learn")
    ordered = _ordered(messages, "")
    if isinstance(ordered, Problem):
        return ordered
    # ShareGPT's turns know no calls.
    tools = read_tools(row.get("tools")) if names is _CHAT else []
    if isinstance(tools, Problem):
        return tools
    return {"messages": ordered, "tools": tools} if tools else {"messages": ordered}


def read_choice(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``prompt``, ``chosen`` and ``rejected``, each a string or a list of messages."""
    return _compared("prompt", row["prompt"], {name: row[name] for name in ("chosen", "rejected")})


def read_preference(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """OpenAI's form: the conversation within ``input``, and the answers as lists of one message."""
    given = row["input"]
    if type(given) is not dict or "messages" not in given:
        return Problem(codes.WRONG_TYPE, f"field 'input' is {type_name(given)}, not an object with 'messages'")
    answers = {name: row[name] for name in ("preferred_output", "non_preferred_output")}
    return _compared("input", given["messages"], answers)


def read_implicit_choice(row: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """``chosen`` and ``rejected`` as whole conversations, which differ in their last turn; the rest is the prompt."""
    both = []
    for name in ("chosen", "rejected"):
        value = row[name]
        told = _transcript(value) if isinstance(value, str) else value
        if told is None:
            return is_missing("prompt")
        both.append((name, told))
    conversations = []
    for name, told in both:
        conversation = _answered(told, name)
        if isinstance(conversation, Problem):
            return conversation
        conversations.append(conversation)
    chosen, rejected = conversations
    if chosen[:-1] != rejected[:-1]:
        return Problem(codes.DIFFERENT_CONVERSATIONS, "chosen and rejected differ before their last turn")
    if len(chosen) == 1:
        return Problem(codes.MISSING_FIELD, "chosen and rejected hold no question, and field 'prompt' is missing")
    return _choice(chosen[:-1], chosen, rejected)


def _compared(field: str, prompt: object, answers: Mapping[str, object]) -> dict[str, Any] | Problem:
    asked = _prompt(prompt, field)
    if isinstance(asked, Problem):
        return asked
    told: list[list[Message]] = []
    for name, value in answers.items():
        answer = _answer(value, name)
        if isinstance(answer, Problem):
            return answer
        told.append(answer)
    chosen, rejected = told
    begun = [answer[:-1] for answer in told if len(answer) > 1]
    if isinstance(prompt, str) and begun and _is_asked(prompt, begun[0]) and begun[0] == begun[-1]:
        # A text beside whole conversations only says which question of theirs it is about.
        asked = begun[0]
    for name, answer in zip(answers, told, strict=True):
        if len(answer) > 1 and answer[:-1] != asked:
            return Problem(
                codes.DIFFERENT_CONVERSATIONS, f"the conversation in '{name}' does not begin with the {field}"
            )
    return _choice(asked, chosen, rejected)


def _is_asked(text: str, messages: list[Message]) -> bool:
    return any(message["role"] == "user" and message["content"].strip() == text.strip() for message in messages)


def _transcript(text: str) -> list[Message] | None:
    """The turns of a conversation that is written as one text; None for any other text."""
    text = text.strip()
    begins = list(_TURN.finditer(text))
    if not begins or begins[0].start():
        return None
    ends = [*(found.start() for found in begins[1:]), len(text)]
    return [
        {"role": found[1].lower(), "content": text[found.end() : end].strip()}
        for found, end in zip(begins, ends, strict=True)
    ]


def _choice(asked: list[Message], chosen: list[Message], rejected: list[Message]) -> dict[str, Any] | Problem:
    """A conversation of one question is that question."""
    answers = [messages[-1]["content"] for messages in (chosen, rejected)]
    if answers[0] == answers[1]:
        return Problem(codes.SAME_ANSWERS, "chosen and rejected are the same")
    prompt = asked[0]["content"] if len(asked) == 1 else asked
    return {"prompt": prompt, "chosen": answers[0], "rejected": answers[1]}


def _prompt(value: object, field: str) -> list[Message] | Problem:
    if type(value) is not list:
        problem = text_problem(value)
        if problem is not None:
            return Problem(problem.code, f"field '{field}' {problem}")
        return [{"role": "user", "content": value}]
    messages = _messages(value, field, _OPENAI)
    if isinstance(messages, Problem):
        return messages
    if messages[-1]["role"] != "user":
        return Problem(
            codes.PROMPT_WITHOUT_USER, f"the {field} does not end with the user's turn", f"turn {len(messages)}"
        )
    return _ordered(messages, f"'{field}', ")


def _answer(value: object, name: str) -> list[Message] | Problem:
    """An answer that stands alone, as a text or one message, or at the end of a whole conversation."""
    if type(value) is list:
        return _answered(value, name)
    problem = text_problem(value)
    if problem is not None:
        return Problem(problem.code, f"field '{name}' {problem}")
    return [{"role": "assistant", "content": value}]


def _answered(value: object, name: str) -> list[Message] | Problem:
    """A conversation that ends with an answer, or an answer alone."""
    messages = _messages(value, name, _OPENAI)
    if isinstance(messages, Problem):
        return messages
    if messages[-1]["role"] != "assistant":
        return Problem(
            codes.ANSWER_WITHOUT_ASSISTANT, f"the last turn in '{name}' is not the assistant's", f"turn {len(messages)}"
        )
    return _ordered(messages, f"'{name}', ") if len(messages) > 1 else messages


def _messages(value: object, field: str, names: _Names) -> list[Message] | Problem:
    """Every turn with a known role and a text, in whatever order."""
    if type(value) is not list:
        return Problem(codes.WRONG_TYPE, f"field '{field}' is {type_name(value)}, not a list of turns")
    if not value:
        return Problem(codes.EMPTY_FIELD, f"field '{field}' is empty")
    role_key, text_key, roles, told = names
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
        role = roles.get(said.lower())
        if role is None:
            return Problem(codes.UNKNOWN_ROLE, f"the '{role_key}' of a turn is {told}", f"{place}: {shown(said)}")
        calls = read_calls(turn.get("tool_calls"), place) if role == "assistant" and "tool" in roles else []
        if isinstance(calls, Problem):
            return calls
        text = _whole(turn.get(text_key))
        # Who calls a tool need not say anything, and a tool may have nothing to say; a system that says nothing at the
        # beginning is none.
        silent = (bool(calls) and text in (None, "")) or (role == "tool" and text == "")
        silent = silent or (role == "system" and number == 1 and (text is None or str(text).strip() == ""))
        problem = None if silent else text_problem(text)
        if problem is not None:
            return Problem(problem.code, f"the '{text_key}' of a turn {problem}", place)
        message: Message = {"role": role, "content": "" if silent else text}
        if calls:
            message["tool_calls"] = calls
        if role == "tool":
            message |= {name: turn[name] for name in ("tool_call_id", "name") if text_problem(turn.get(name)) is None}
        messages.append(message)
    return messages


def _whole(value: object) -> object:
    """A text in one piece; OpenAI's and others' come in several where there could be pictures between them."""
    if type(value) is not list or not value:
        return value
    pieces = [part.get("text") for part in value if type(part) is dict and part.get("type") == "text"]
    texts = [piece for piece in pieces if type(piece) is str]
    return "\n".join(texts) if len(texts) == len(value) else value


def _ordered(messages: list[Message], where: str) -> list[Message] | Problem:
    """A system message first, if there is one that says something; then user and assistant take turns, the user first;
    tools answer where they were called."""
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
    return messages[1:] if first and not messages[0]["content"] else messages


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
