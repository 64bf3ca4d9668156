"""The inference process: ``python -m modelforge.inference``. Started by ``InferenceClient``, ended with its stdin.

Nothing above the standard library is imported before the reader stands, so that the process can be ended while torch
is still on its way.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import traceback
from typing import BinaryIO

from modelforge.errors import InferenceFault, ModelForgeError
from modelforge.inference.protocol import ORDERS, Answered, Cancel, Evict, Generate, Loaded, Refused, Started
from modelforge.processes import lower_priority

TYPE_CHECKING = False
if TYPE_CHECKING:
    from modelforge.inference.shelf import Shelf


class Desk:
    """What the reading thread and the generating one share."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[Generate] = queue.SimpleQueue()
        self.cancelled: set[int] = set()
        self.shelf: Shelf | None = None

    def read(self, orders: BinaryIO) -> None:
        """Take orders until the server closes the pipe, or dies; then the process exits, in mid-sentence if need be."""
        try:
            for line in orders:
                match ORDERS.validate_json(line):
                    case Generate() as order:
                        self.waiting.put(order)
                    case Cancel(id=number):
                        self.cancelled.add(number)
                    case Evict(path=path):
                        if self.shelf is not None:
                            self.shelf.evict(path)
        except BaseException:
            # A process that takes no orders any more is of no use, and its client would wait for ever.
            traceback.print_exc()
            os._exit(1)
        os._exit(0)


def main() -> None:
    """Answer the orders on stdin, one at a time, until it is closed."""
    parser = argparse.ArgumentParser(prog="python -m modelforge.inference")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), required=True)
    parser.add_argument("--memory-mb", type=int, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the server, which ends this one
    lower_priority()
    orders, reports = _private_pipes()
    desk = Desk()
    threading.Thread(target=desk.read, args=(orders,), daemon=True).start()
    while True:
        order = desk.waiting.get()
        if order.id not in desk.cancelled:
            reports.write(Started(id=order.id).line())
            report = _carry_out(desk, order, reports, arguments.device, arguments.memory_mb)
            if report is not None:
                reports.write(report.line())
        desk.cancelled.discard(order.id)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two pipes on descriptors that no library knows; what prints to stdout goes to the log, what reads gets none."""
    orders = os.fdopen(os.dup(0), "rb")
    reports = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return orders, reports


def _carry_out(
    desk: Desk, order: Generate, reports: BinaryIO, device: str, memory_mb: int
) -> Answered | Refused | None:
    """One order's last report; None where nobody waits for it any more."""
    try:
        from modelforge.inference.engine import Cancelled, answer  # noqa: PLC0415 - torch, seconds
        from modelforge.inference.shelf import Shelf  # noqa: PLC0415

        if desk.shelf is None:
            desk.shelf = Shelf(device, memory_mb, _say)
        try:
            loaded = desk.shelf.get(order.target)
            reports.write(Loaded(id=order.id).line())
            reply = answer(loaded, order.target, order.request, order.timeout, lambda: order.id in desk.cancelled)
        except Cancelled:
            return None
        return Answered(id=order.id, reply=reply)
    except ModelForgeError as error:
        return Refused(id=order.id, error=type(error).__name__, detail=error.detail)
    except Exception as error:  # the process's edge
        traceback.print_exc()
        if desk.shelf is not None and ("memory" in str(error) or isinstance(error, MemoryError)):
            desk.shelf.clear()
        return Refused(id=order.id, error=InferenceFault.__name__, detail=f"{type(error).__name__}: {error}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


main()
