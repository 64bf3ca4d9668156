"""What the server and a process that waits for its orders say to each other: one JSON object a line, over the child's
pipes. ``standby`` is the server's end of them, and the child's is here; it ends with its stdin.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import BinaryIO, Literal, NoReturn

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def line(self) -> bytes:
        """The message as it is written to the pipe."""
        return self.model_dump_json().encode() + b"\n"


class Report(Message):
    """What a process says of one of its orders."""

    id: int
    """The order's."""


class Refused(Report):
    """There is no answer."""

    kind: Literal["refused"] = "refused"
    error: str
    """The name of a class of ``modelforge.errors``."""
    detail: str


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout on descriptors that no library knows: what prints goes to the log, what reads gets nothing."""
    orders, reports = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, reports


def take_orders(orders: BinaryIO, take: Callable[[bytes], None]) -> NoReturn:
    """Take orders until the server closes the pipe, or dies; then the process exits, in mid-sentence if need be. For a
    thread of its own."""
    try:
        for line in orders:
            take(line)
    except BaseException:  # noqa: BLE001 - the process's edge
        # A process that takes no orders any more is of no use, and its client would wait for ever.
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
