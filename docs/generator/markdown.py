"""Pieces of Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

MADE = "<!-- Made from the code by docs/generate.py; edit the code and run `make docs`. -->"


def page(title: str, *blocks: str) -> str:
    """A whole page: its title and its blocks, an empty line between each two."""
    return "\n\n".join([MADE, f"# {title}", *(block for block in blocks if block)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold Markdown, but no line ends and no bars."""
    lines = [_row(header), _row(["---"] * len(header))]
    return "\n".join([*lines, *(_row([cell(text) for text in row]) for row in rows)])


def cell(text: str) -> str:
    """Text that can stand in a table's cell."""
    return prose(text).replace("|", "\\|")


def prose(text: str) -> str:
    """A docstring's text in one line, its ``code`` marked as Markdown does."""
    return " ".join(text.split()).replace("``", "`")


def code(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def pretty(value: Any) -> str:
    """JSON for people: what fits into a line of 100 characters stands in one."""
    return _pretty(value, 0)


def literal(value: Any) -> str:
    """A value as it is written in JSON, set as code."""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _pretty(value: Any, indent: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= 100 or not isinstance(value, dict | list) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(name)}: {_pretty(each, indent + 2)}" for name, each in value.items()]
        opening, closing = "{", "}"
    else:
        items = [inner + _pretty(each, indent + 2) for each in value]
        opening, closing = "[", "]"
    return "\n".join([opening, ",\n".join(items), " " * indent + closing])
