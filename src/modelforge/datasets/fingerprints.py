"""A row in a few numbers: whether it is the same as another, asks the same, or belongs to the sample."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

Row = Mapping[str, Any]

_SPREAD = 0x9E3779B97F4A7C15
_WORD = 1 << 64


class Said(NamedTuple):
    """A usable row as texts."""

    prompt: str
    """What is asked; empty for plain text and for two answers to choose from, of which there may be many."""
    answer: str


def said(row: Row) -> Said:
    """What ``Shape.read`` gave, as texts; rows that are equal give equal ones, and others do not."""
    if "output" in row:
        return Said(row["input"], row["output"])
    if "messages" in row:
        *before, last = row["messages"]
        return Said(_turns(before), _turns([last]))
    if "chosen" in row:
        prompt = row["prompt"] if isinstance(row["prompt"], str) else _turns(row["prompt"])
        return Said("", "\0".join((prompt, row["chosen"], row["rejected"])))
    if "answers" in row:
        return Said(f"{row['question']}\0{row['context']}", "\0".join(sorted({a["text"] for a in row["answers"]})))
    if "text" in row:
        return Said("", row["text"])
    return Said("", json.dumps(row, sort_keys=True))


def _turns(messages: list[dict[str, Any]]) -> str:
    # Beside its role and text a turn may have calls of tools.
    return "\0".join(
        f"{turn.get('role')}\0{turn.get('content')}"
        if turn.keys() == {"role", "content"}
        else json.dumps(turn, sort_keys=True)
        for turn in messages
    )


def digest(*texts: str) -> int:
    """64 bits. Among ten million rows that differ, some two get the same number with a probability of 3 in a million
    (n²/2⁶⁵), so that what is counted as the same is the same."""
    whole = "\0\0".join(texts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), "little")


def rank(fingerprint: int, seed: int) -> int:
    """A row's place in the order by which the sample is drawn: by its content and the seed alone, so that rows that
    are added push out others and change nothing else. Equal rows have the same."""
    return (fingerprint ^ (seed * _SPREAD % _WORD)) * _SPREAD % _WORD
