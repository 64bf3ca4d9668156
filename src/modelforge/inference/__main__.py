"""The inference process: ``python -m modelforge.inference``. Started by ``InferenceClient``, ended with its stdin.

torch is imported with the first order, when the reader stands already: the process can be ended while it loads.
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

from modelforge.inference.protocol import ORDERS, Cancel, Evict, Generate, Loaded, Piece, Started
from modelforge.pipe import Report, private_pipes, take_orders
from modelforge.processes import lower_priority

if TYPE_CHECKING:
    from modelforge.inference.shelf import Shelf


class Desk:
    """Orders come in by one thread and are carried out by another."""

    def __init__(self, orders: BinaryIO, reports: BinaryIO, device: str, memory_mb: int) -> None:
        self._orders = orders
        self._reports = reports
        self._device = device
        self._memory_mb = memory_mb
        self._waiting: queue.SimpleQueue[Generate] = queue.SimpleQueue()
        self._wanted: set[int] = set()
        self._shelf: Shelf | None = None

    def read(self) -> None:
        """Take orders to the end of the process."""
        take_orders(self._orders, self._take)

    def _take(self, line: bytes) -> None:
        match ORDERS.validate_json(line):
            case Generate() as order:
                self._wanted.add(order.id)
                self._waiting.put(order)
            case Cancel(id=number):
                self._wanted.discard(number)
            case Evict(path=path):
                if self._shelf is not None:
                    self._shelf.evict(path)

    def work(self) -> None:
        """Carry the orders out, in the order in which they came; those that can join what runs do."""
        first = self._waiting.get()
        self._tell(Started(id=first.id))
        from modelforge.inference.floor import Floor  # noqa: PLC0415 - seconds, for torch
        from modelforge.inference.shelf import Shelf  # noqa: PLC0415

        self._shelf = Shelf(self._device, self._memory_mb, say)
        floor = Floor(self._shelf, self._tell, self._wanted.__contains__)
        floor.begin(first)
        waiting: Generate | None = None
        while True:
            # All that can join do, so that their prompts are read together. Nobody overtakes: an order that cannot join
            # would else wait for ever while others do.
            waiting = waiting or self._next(block=floor.is_empty)
            while waiting is not None and (waiting.id not in self._wanted or floor.take(waiting)):
                waiting = self._next(block=floor.is_empty)
            floor.step()

    def _next(self, *, block: bool) -> Generate | None:
        try:
            return self._waiting.get(block)
        except queue.Empty:
            return None

    def _tell(self, message: Report) -> None:
        self._reports.write(message.line())
        self._reports.flush()
        if not isinstance(message, Started | Loaded | Piece):
            self._wanted.discard(message.id)


def say(text: str) -> None:
    """A line in the log."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Answer the orders on stdin until it is closed."""
    parser = argparse.ArgumentParser(prog="python -m modelforge.inference")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), required=True)
    parser.add_argument("--memory-mb", type=int, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the server, which ends this process
    lower_priority()
    desk = Desk(*private_pipes(), arguments.device, arguments.memory_mb)
    threading.Thread(target=desk.read, daemon=True).start()
    desk.work()


if __name__ == "__main__":
    main()
