"""Tools in a conversation: those that the assistant has, and its calls of them, in OpenAI's form."""

from __future__ import annotations

import json
from typing import Any

from modelforge.datasets import codes
from modelforge.datasets.problems import Problem, text_problem, type_name
from modelforge.datasets.rows import is_deep

Call = dict[str, Any]
"""``type`` (function), ``function`` with its ``name`` and its ``arguments``, an object; and the ``id`` that it has."""
Tool = dict[str, Any]
"""``type`` (function), and ``function`` with its ``name``, description and parameters."""


def read_tools(value: object) -> list[Tool] | Problem:
    """The tools of a row; none where the field is missing, null or empty. Also as JSON in a string, as tables have
    them."""
    listed = parsed(value) if isinstance(value, str) and value else value
    if listed in (None, "", []):
        return []
    if not isinstance(listed, list):
        return Problem(codes.MALFORMED_TOOL, f"field 'tools' is {type_name(value)}, not a list of tools")
    tools = []
    for number, tool in enumerate(listed, 1):
        function = _function(tool)
        if function is None or text_problem(function.get("name")) is not None:
            return Problem(codes.MALFORMED_TOOL, "a tool has no name", f"tool {number}")
        if (fault := _fault(function)) is not None:
            return Problem(codes.MALFORMED_TOOL, f"a tool {fault}", f"tool {number}")
        tools.append({"type": "function", "function": function})
    return tools


def read_calls(value: object, place: str) -> list[Call] | Problem:
    """The calls of a turn, their arguments made objects where they are JSON in a string."""
    if value is None or value == []:
        return []
    if not isinstance(value, list):
        return Problem(codes.MALFORMED_TOOL, f"the 'tool_calls' of a turn is {type_name(value)}, not a list", place)
    calls = []
    for call in value:
        function = _function(call)
        if function is None or text_problem(function.get("name")) is not None:
            return Problem(codes.MALFORMED_TOOL, "a tool call has no name", place)
        given = function.get("arguments")
        arguments = parsed(given) if isinstance(given, str) and given else given
        if arguments in (None, ""):
            arguments = {}
        if not isinstance(arguments, dict):
            return Problem(codes.MALFORMED_TOOL, "the arguments of a tool call are no JSON object", place)
        if (fault := _fault(arguments)) is not None:
            return Problem(codes.MALFORMED_TOOL, f"a tool call {fault}", place)
        id = {"id": call["id"]} if text_problem(call.get("id")) is None else {}
        calls.append({**id, "type": "function", "function": {"name": function["name"], "arguments": arguments}})
    return calls


def _function(value: object) -> dict[str, Any] | None:
    """What stands in ``function``, or beside it where people leave that out."""
    if not isinstance(value, dict):
        return None
    function = value.get("function", value)
    return function if isinstance(function, dict) else None


def parsed(text: str) -> object:
    """The value that a text is in JSON; the text itself where it is none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _fault(value: dict[str, Any]) -> str | None:
    """Why nothing can be written of it, as the end of a sentence."""
    if is_deep(value):
        return "is nested too deep"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    return None
