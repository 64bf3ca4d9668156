"""Many small pieces of bytes on the disk, where there may be too many for memory."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator


class Spool:
    """Pieces in the order in which they were added, in a file without a name that goes with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._ends = array("Q")
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self._size += len(piece)
        self._ends.append(self._size)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> bytes:
        start = self._ends[number - 1] if number else 0
        self._file.seek(start)
        return self._file.read(self._ends[number] - start)

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        start = 0
        for end in self._ends:
            yield self._file.read(end - start)
            start = end

    def close(self) -> None:
        self._file.close()
