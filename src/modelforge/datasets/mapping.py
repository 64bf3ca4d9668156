"""Columns of a table made into the fields of a known shape: suggested by their names and looks, and applied."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from modelforge.datasets.formats import SHAPES, Shape
from modelforge.datasets.rows import BadLine, Row
from modelforge.errors import InvalidRequest, did_you_mean

MAX_COLUMNS = 200
"""Columns that are looked at."""
TURNS = ("system", "user", "assistant")
"""Fields that are put together into ``messages``."""
AS_THEY_ARE = ("answer_start", "is_impossible")
"""Fields whose numbers and truths are none of text."""
_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


class Template:
    """A text with columns in braces."""

    def __init__(self, text: str) -> None:
        """Raises InvalidRequest for braces without their like."""
        self.parts: list[tuple[str, str | None]] = []
        """Texts, each with the column that follows it, if any."""
        literal, at = "", 0
        for found in _PART.finditer(text):
            literal += text[at : found.start()]
            at = found.end()
            if found[1] is not None:
                self.parts.append((literal, found[1]))
                literal = ""
            elif len(found[0]) == 2:
                literal += found[0][0]
            else:
                raise InvalidRequest(
                    f"the mapping {text!r} has a brace without its like: a column is written {{name}}, a brace itself "
                    f"{found[0] * 2}"
                )
        self.parts.append((literal + text[at:], None))

    @property
    def columns(self) -> list[str]:
        return [name for _, name in self.parts if name is not None]

    @property
    def alone(self) -> str | None:
        """The column, where there is nothing else."""
        return self.parts[0][1] if len(self.parts) == 2 and self.parts[0][0] == self.parts[1][0] == "" else None

    def fill(self, row: Mapping[str, Any]) -> Any:
        """A column alone gives its value, numbers as text; more than that gives a text, without white space around."""
        if self.alone is not None:
            value = row.get(self.alone)
            return value if value is None or isinstance(value, str | list | dict) else as_text(value)
        return "".join(text + ("" if name is None else as_text(row.get(name))) for text, name in self.parts).strip()


def as_text(value: object) -> str:
    """A value within a text: nothing for null, JSON for what is more than a word."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Mapper:
    """Makes one row after the other. A ``rewrite.Step``."""

    def __init__(self, shape: str, fields: Mapping[str, str]) -> None:
        """A ``ColumnMapping``. Raises InvalidRequest for a shape or field that does not exist, and where one is
        missing."""
        check_fields(SHAPES.get(shape), fields)
        self._templates = {name: Template(text) for name, text in fields.items()}
        self._turns = shape == "messages" and "messages" not in fields
        self._unseen = set(self.columns)
        self._seen: set[str] = set()

    @property
    def columns(self) -> list[str]:
        """Those that are used."""
        return list(dict.fromkeys(name for template in self._templates.values() for name in template.columns))

    def check_seen(self) -> None:
        """Raises InvalidRequest where no row had a column that is used."""
        for name in sorted(self._unseen):
            raise InvalidRequest(f"there is no column '{name}'.{did_you_mean(name, self._seen)}")

    def __call__(self, number: int, row: Row | BadLine) -> Row | BadLine | None:
        if not isinstance(row, dict):
            return row
        if self._unseen:
            self._unseen.difference_update(row)
            self._seen.update(islice(row, MAX_COLUMNS))
        made = self.apply(row)
        return row if made == row else made

    def apply(self, row: Mapping[str, Any]) -> Row:
        """The row as it is to be; the other columns are left behind, in the version before."""
        filled = {name: template.fill(row) for name, template in self._templates.items()}
        for name in AS_THEY_ARE:
            if name in filled and (source := self._templates[name].alone) is not None:
                filled[name] = row.get(source)
        if not self._turns:
            return filled
        said = [(role, filled.get(role)) for role in TURNS]
        turns = [{"role": role, "content": as_text(text)} for role, text in said]
        # A system that has nothing to say is none; a user who has nothing to say is a problem that is told.
        return {"messages": [turn for turn in turns if turn["role"] != "system" or turn["content"].strip()]}


def usual_fields(shape: Shape) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What columns are mapped onto for a shape, and what they may be mapped onto besides."""
    return (("user", "assistant"), ("system",)) if shape.name == "messages" else (shape.fields, shape.forms[0].optional)


def check_fields(shape: Shape, given: Collection[str]) -> None:
    """Raises InvalidRequest where these are not the fields of one of its forms."""
    given = set(given)
    ways = [*((form.fields, form.optional) for form in shape.forms), usual_fields(shape)]
    forms = [(set(fields), set(optional)) for fields, optional in dict.fromkeys(ways)]
    known = set().union(*(fields | optional for fields, optional in forms))
    for name in sorted(given - known):
        hint = did_you_mean(name, known)
        raise InvalidRequest(f"the shape {shape.name} has no field '{name}'; it has {', '.join(sorted(known))}.{hint}")
    if not any(given >= fields and given <= fields | optional for fields, optional in forms):
        named = ", or ".join(" and ".join(sorted(fields)) for fields, _ in forms)
        raise InvalidRequest(f"for the shape {shape.name}, map {named}")
