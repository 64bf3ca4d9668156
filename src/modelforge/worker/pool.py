"""Blocks of lines are encoded by this process, and by several where there are enough of them; the results come in
order, and are the same."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Self

from modelforge.computing import threads
from modelforge.errors import Fault, ModelForgeError
from modelforge.processes import signal_name
from modelforge.worker.encoding import Bounds, Encoded, Encoding

MOST = 16
"""Encoding processes at most; each holds some 90 MB."""
TRIAL_SECONDS = 0.5
"""Seconds for which this process encodes before it looks how long the rest would take it."""
WORTH_SECONDS = 3.0
"""Seconds of work that are left when others are started: that takes a second of each (measured)."""
AHEAD = 4
"""Blocks for each process that may wait for the one before them."""
SECONDS_BETWEEN_LOOKS = 0.2


class Block(NamedTuple):
    """Whole lines of a dataset."""

    line: int
    """The number of the first."""
    text: bytes


class Work(NamedTuple):
    """What is to be encoded, and how."""

    encoding: Encoding
    blocks: Iterator[Block]
    size: int
    """Bytes of all blocks, about."""
    bounds: Callable[[], Bounds]
    """What is wanted of the rows themselves, by what was given out so far."""
    check_stop: Callable[[], None]


def encoded(work: Work, processes: int | None = None) -> Iterator[Encoded]:
    """Every block, in order. ``processes`` of None lets the size of the work decide.

    Raises what encoding raises for the first row that it fails for, and Fault where a process breaks.
    """
    many = min(MOST, threads()) if processes is None else processes
    payload = _pickled(work.encoding) if many > 1 else None
    if payload is None or processes is None:
        started, done = time.monotonic(), 0
        for block in work.blocks:
            yield work.encoding.block(*block, work.bounds(), work.check_stop)
            done += len(block.text)
            seconds = time.monotonic() - started
            if payload and seconds > TRIAL_SECONDS and seconds * (work.size - done) > WORTH_SECONDS * done:
                break
    if payload is not None:
        first = next(work.blocks, None)
        if first is not None:
            with _Pool(many, payload) as pool:
                yield from pool.encoded(work, first)


def _pickled(encoding: Encoding) -> bytes | None:
    """What a process is given; None where it could not be given that, or could not read it."""
    if type(encoding.tokenizer).__module__.startswith("transformers_modules"):
        return None  # code that came with the model, and lies where a new process does not look
    try:
        return pickle.dumps(encoding)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None


class _Pool:
    """Processes that were started anew: a fork of this one would copy torch's locks without the threads that hold
    them."""

    def __init__(self, processes: int, payload: bytes) -> None:
        context = multiprocessing.get_context("spawn")
        self._processes: dict[Connection, BaseProcess] = {}
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, payload), daemon=True)
            process.start()
            theirs.close()
            self._processes[ours] = process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection, process in self._processes.items():
            process.kill()
            connection.close()
        for process in self._processes.values():
            process.join()

    def encoded(self, work: Work, first: Block) -> Iterator[Encoded]:
        """Every block, in order, ``first`` before those of ``work``. A process has one block at a time: with more, it
        and this one could wait for each other with full pipes."""
        idle = list(self._processes)
        busy: dict[Connection, int] = {}
        found: dict[int, Encoded | None] = {}
        waiting: deque[tuple[int, Block]] = deque()
        coming, given, more = 0, 0, True
        while more or waiting:
            while more and idle and len(waiting) < AHEAD * len(self._processes):
                block: Block | None = first if coming == 0 else next(work.blocks, None)
                if block is None:
                    more = False
                    break
                connection = idle.pop()
                self._send(connection, (*block, work.bounds()))
                busy[connection] = coming
                waiting.append((coming, block))
                coming += 1
            work.check_stop()
            for ready in wait(list(busy), SECONDS_BETWEEN_LOOKS):
                assert isinstance(ready, Connection)
                found[busy.pop(ready)] = self._receive(ready, work.check_stop)
                idle.append(ready)
            while waiting and given in found:
                block = waiting.popleft()[1]
                result = found.pop(given)
                given += 1
                # What fails there is done here, so that the error is the one that a single process gives.
                yield result or work.encoding.block(*block, work.bounds(), work.check_stop)

    def _send(self, connection: Connection, block: tuple[int, bytes, Bounds]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # which is told when its answer is missing
            connection.send(block)

    def _receive(self, connection: Connection, check_stop: Callable[[], None]) -> Encoded | None:
        try:
            result: Encoded | None = connection.recv()
        except (EOFError, ConnectionResetError):
            check_stop()
            process = self._processes[connection]
            process.join()
            code = process.exitcode or 0
            end = f"by {signal_name(-code)}" if code < 0 else f"with exit code {code}"
            raise Fault(
                f"a process that turns rows into tokens ended {end}. Start the run again; where memory is short, close "
                "other programs"
            ) from None
        return result


def _serve(connection: Connection, payload: bytes) -> None:
    """What an encoding process does until its pipe is closed. None stands for a block that it failed for."""
    # Signals to the whole group are for the worker, which then kills this.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    encoding: Encoding = pickle.loads(payload)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            line, text, bounds = connection.recv()
            try:
                result = encoding.block(line, text, bounds)
            except (ModelForgeError, MemoryError):
                result = None
            connection.send(result)
