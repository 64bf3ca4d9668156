"""A large file is read by several processes, each a part of whole lines; what they find comes in the file's order."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from modelforge.computing import threads
from modelforge.datasets.rows import open_regular, read_blocks
from modelforge.errors import ModelForgeError

MOST = 8
"""Processes at most: reading rows is soon bound by the disk."""
WORTH_BYTES = 24_000_000
"""Of a part that is worth a process, which takes some 0.2 s to start (measured)."""
_SCAN = 1 << 20

T = TypeVar("T")


class Part(NamedTuple):
    """Bytes of a file, from the start of a line to that of another, or to the end."""

    start: int
    end: int | None


Work = Callable[[Path, Part], T]
"""What a process does with its part. Sent to another process, so a function of a module, or one with arguments bound by
``functools.partial``."""


def divided(path: Path, processes: int | None = None) -> list[Part]:
    """Parts of about the same size; as many as are worth it, or at most ``processes``. Raises what ``open_regular``
    raises."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        many = min(MOST, threads(), 1 + size // WORTH_BYTES) if processes is None else processes
        starts = [0]
        for number in range(1, many):
            at = _line_after(stream, size * number // many)
            if starts[-1] < at < size:
                starts.append(at)
    return [Part(start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def _line_after(stream: BinaryIO, at: int) -> int:
    """Where the next line begins."""
    stream.seek(at)
    while chunk := stream.read(_SCAN):
        found = chunk.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(chunk)
    return at


def blocks_of(
    path: Path, part: Part, observe: Callable[[bytes], object] | None = None
) -> Iterator[tuple[int, bytes | None]]:
    """``read_blocks`` of a part, whose first line has the number 1."""
    with open_regular(path) as stream:
        stream.seek(part.start)
        piece = stream if part.end is None else _Slice(stream, part.end - part.start)
        yield from read_blocks(piece, observe, begins=part.start == 0)  # type: ignore[arg-type]  # all that it calls


class _Slice:
    """What a stream has before a place."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


def in_parts(work: Work[T], path: Path, parts: Sequence[Part]) -> Iterator[T]:
    """What ``work`` gives for each part, in order; this process does the first."""
    helpers = [_Helper(work, path, part) for part in parts[1:]]
    try:
        yield work(path, parts[0])
        for helper in helpers:
            yield helper.result()
    finally:
        for helper in helpers:
            helper.end()


class _Helper(Generic[T]):
    """A process that works on a part."""

    def __init__(self, work: Work[T], path: Path, part: Part) -> None:
        self._work, self._path, self._part = work, path, part
        # Started anew, on every system alike: a fork would copy locks without the threads that hold them.
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(theirs, work, path, part), daemon=True)
        self._process.start()
        theirs.close()

    def result(self) -> T:
        """What fails there is done here, so that the error is the one that a single process gives."""
        with suppress(EOFError, ConnectionResetError):
            found: T = self._ours.recv()
            return found
        return self._work(self._path, self._part)

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._ours.close()


def _serve(connection: Connection, work: Work[T], path: Path, part: Part) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # as in the process that asks
    with suppress(ModelForgeError, MemoryError, BrokenPipeError):
        connection.send(work(path, part))


def _end_with_parent() -> None:
    """Nobody waits for what is found when the process that asked is gone."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
