"""How far files are read that others may have been unpacked from: in bytes of those that were given."""

from __future__ import annotations

from modelforge.datasets.rows import Observe
from modelforge.datasets.stages import Tell


class Meter:
    """Adds up what was read."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._done = 0.0

    def of(self, size: int, worth: float) -> Observe:
        """To be told of what is read of a file of so many bytes, all of which count as ``worth`` bytes that were given.
        What is read twice counts once."""
        left = worth

        def observe(count: int) -> None:
            nonlocal left
            step = min(left, worth * count / max(size, 1))
            left -= step
            self._done += step
            self._tell(self._done)

        return observe
