"""What a process that works on data says to the one that asked: JSON, a line a message.

It ends with one line ``{"result": …}`` or ``{"refused": {"kind", "detail"}}``; lines
``{"progress": 0.4, "message": …}`` may come before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from modelforge.errors import (
    DiskFull,
    Fault,
    Forbidden,
    InvalidDataset,
    InvalidRequest,
    ModelForgeError,
    NotFound,
    TooLarge,
    UnsupportedMedia,
)

REFUSALS: dict[str, type[ModelForgeError]] = {
    kind.__name__: kind
    for kind in (DiskFull, Fault, Forbidden, InvalidDataset, InvalidRequest, NotFound, TooLarge, UnsupportedMedia)
}


def say(share: float, message: str) -> None:
    """How far the work is, from 0 to 1, and what is done now, in a few words."""
    print(json.dumps({"progress": round(share, 4), "message": message}), flush=True)


def answer(work: Callable[[], Any]) -> int:
    """Do the work and say its result, or why it is refused; the exit status."""
    try:
        said = {"result": work()}
    except tuple(REFUSALS.values()) as refusal:
        said = {"refused": {"kind": type(refusal).__name__, "detail": refusal.detail}}
    print(json.dumps(said), flush=True)
    return 0 if "result" in said else 2
