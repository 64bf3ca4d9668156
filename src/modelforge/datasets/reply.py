"""What a process that works on data says to the one that asked: JSON, a line a message.

It ends with one line ``{"result": …}`` or ``{"refused": {"kind", "detail"}}``; before that may come lines
``{"progress": 0.4, "message": …}``.
"""

from __future__ import annotations

import errno
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
from modelforge.files import is_disk_full

REFUSALS: dict[str, type[ModelForgeError]] = {
    kind.__name__: kind
    for kind in (DiskFull, Fault, Forbidden, InvalidDataset, InvalidRequest, NotFound, TooLarge, UnsupportedMedia)
}

_MEMORY = (
    "this takes more memory than a process that reads data may have. Look for rows that are far longer than the "
    "others, or send the data in several parts"
)


def say(share: float, message: str) -> None:
    """How far the work is, from 0 to 1, and what is done now, in a few words."""
    print(json.dumps({"progress": round(share, 4), "message": message}), flush=True)


def answer(work: Callable[[], Any]) -> int:
    """Do the work and say its result, or why it is refused; the exit status."""
    said = outcome(work)
    print(json.dumps(said), flush=True)
    return 0 if "result" in said else 2


def outcome(work: Callable[[], Any]) -> dict[str, Any]:
    """The last thing that is said of it."""
    try:
        return {"result": work()}
    except tuple(REFUSALS.values()) as refusal:
        return _refused(refusal)
    except MemoryError:
        return _refused(TooLarge(_MEMORY))
    except OSError as error:
        if error.errno == errno.ENOMEM:  # of a file that is looked at through memory
            return _refused(TooLarge(_MEMORY))
        if not is_disk_full(error):
            raise
        return _refused(DiskFull("there is no room on the disk for what is written: make some and try again"))


def _refused(refusal: ModelForgeError) -> dict[str, Any]:
    return {"refused": {"kind": type(refusal).__name__, "detail": refusal.detail}}
