"""Room on the disk that a run keeps for its last words, and for the database to take them: how it ended can be told on
a disk that it has filled."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

NAME = "reserve"
BYTES = 1 << 20


def keep(run_dir: Path) -> None:
    """Take the room; a disk that is full already has none."""
    with suppress(OSError):
        (run_dir / NAME).write_bytes(bytes(BYTES))


def release(run_dir: Path) -> None:
    """Give it back, to whoever writes next."""
    with suppress(OSError):
        (run_dir / NAME).unlink(missing_ok=True)
