"""What the columns of a table look like, from its first rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelforge.contracts.version import Column
from modelforge.datasets.mapping import MAX_COLUMNS, as_text
from modelforge.datasets.paging import showable
from modelforge.datasets.problems import type_name

_TURNS = ({"role", "content"}, {"from", "value"})
_EXAMPLE = 100
"""Characters of an example."""
_FEW = 20
"""So many different words, each often: a category, not what a model could learn to say."""


@dataclass(frozen=True, slots=True)
class Look:
    """One column."""

    name: str
    kind: str
    filled: float
    length: float
    example: str
    distinct: float
    """The share of its texts that are different from each other."""
    prose: float
    """The share of its texts that are more than one word; what is not in ASCII may be without spaces between them."""
    asks: float
    """The share of its texts that end with a question mark."""

    @property
    def is_text(self) -> bool:
        """Whether people would read it, unlike names, dates, categories, and addresses of pages."""
        return (
            self.kind == "text"
            and self.filled >= 0.5
            and self.prose >= 0.1
            and (self.distinct > 0.2 or self.length > 80)
        )

    @property
    def can_be_named(self) -> bool:
        """Whether a mapping can have its name: in braces, and sent as JSON."""
        return not {"{", "}"} & set(self.name) and showable(self.name) == self.name

    def to_contract(self) -> Column:
        return Column(
            name=showable(self.name),
            kind=self.kind,
            filled=round(self.filled, 3),
            length=round(self.length, 1),
            example=showable(self.example),
        )


def look_at(rows: Sequence[Mapping[str, Any]]) -> list[Look]:
    """The columns of these rows, in the order in which they first come."""
    names: dict[str, None] = {}
    for row in rows:
        for name in row:
            if len(names) < MAX_COLUMNS:
                names.setdefault(name)
    return [_look(name, [row[name] for row in rows if _is_filled(row.get(name))], len(rows)) for name in names]


def _is_filled(value: object) -> bool:
    return value is not None and value != "" and not (isinstance(value, str) and value.isspace())


def _look(name: str, values: list[Any], count: int) -> Look:
    kinds = Counter(_kind(value) for value in values)
    texts = [value for value in values if isinstance(value, str)]
    share = max(1, len(texts))
    example = as_text(values[0]) if values else ""
    return Look(
        name=name,
        kind=kinds.most_common(1)[0][0] if kinds else "empty",
        filled=len(values) / max(1, count),
        length=sum(map(len, texts)) / share,
        example=example if len(example) <= _EXAMPLE else f"{example[: _EXAMPLE - 1]}…",
        distinct=len(set(texts)) / share if len(set(texts)) <= _FEW else 1.0,
        prose=sum(" " in text.strip() or not text.isascii() for text in texts) / share,
        asks=sum(text.rstrip().endswith(("?", "？", "؟")) for text in texts) / share,
    )


def _kind(value: object) -> str:
    if isinstance(value, list) and value and all(_is_turn(turn) for turn in value):
        return "conversation"
    return "text" if isinstance(value, str) else type_name(value).removeprefix("a ").removeprefix("an ")


def _is_turn(value: object) -> bool:
    return isinstance(value, dict) and any(value.keys() >= names for names in _TURNS)
