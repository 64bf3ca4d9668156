"""``responses.md``: every type that the API answers with or takes within a request, and every field of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generator.markdown import code, page, pretty, prose
from generator.schema import components, example_of, fields_table, name_of, openapi

INTRO = """\
Every type that a route answers with, alone or inside another one, and those inside requests. `time` is a string: \
UTC, ISO 8601, ending in `Z`. "or null" fields are always there; they are null until they are known."""


def responses() -> str:
    """The page."""
    blocks = [INTRO]
    for name in answered():
        schema = components()[name]
        blocks += [f"## {name}", prose(schema["description"]), fields_table(name)]
        if schema.get("additionalProperties") is True:
            blocks.append("More fields come along, by what was measured or set.")
        if "examples" in schema:
            blocks.append(code(pretty(example_of(name)), "json"))
    return page("Responses", *blocks)


def answered() -> list[str]:
    """The names of all object types in replies, those inside others and inside requests included, by the alphabet."""
    found: set[str] = set()
    for item in openapi()["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                _collect(response, found)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                body = components().get(name_of(content["schema"]) or "", {})
                _collect(body.get("properties", {}), found)
    return sorted(name for name in found if "properties" in components()[name])


def _collect(node: Any, found: set[str]) -> None:
    for each in _parts(node):
        name = name_of(each) if isinstance(each, dict) else None
        if name is not None and name not in found:
            found.add(name)
            _collect(components()[name].get("properties", {}), found)
        _collect(each, found)


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node
