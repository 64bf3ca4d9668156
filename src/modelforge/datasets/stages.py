"""How far work of several stages is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from modelforge.datasets.reply import say

SECONDS_BETWEEN = 0.5

Progress = Callable[[float, str], object]
"""Told how far the work is, from 0 to 1, and what is done now, in a few words."""
Tell = Callable[[float], None]
"""Told how much of a stage is done."""


def untold(*_: object) -> None:
    """For work that nobody watches."""


class Stage:
    """One of them. Can be sent to another process, which then has nothing to say."""

    def __init__(self, message: str, start: float, width: float, whole: float, say: Progress = say) -> None:
        self._message, self._start, self._width, self._whole, self._say = message, start, width, whole, say
        self._said = 0.0

    def __call__(self, done: float) -> None:
        """``done`` of the stage's whole."""
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN:
            self._said = now
            self._say(self._start + self._width * min(1.0, done / max(self._whole, 1.0)), self._message)

    def __getstate__(self) -> dict[str, object]:
        quiet = {"_message": "", "_start": 0.0, "_width": 0.0, "_whole": 1.0, "_say": untold}
        return {**quiet, "_said": float("inf")}


class Stages:
    """All of them, in order, each with its share of the time as it was measured."""

    def __init__(self, weights: Mapping[str, float], say: Progress = say) -> None:
        self._weights = weights
        self._say = say
        self._before = 0.0

    def begin(self, message: str, whole: float) -> Stage:
        """The next one, which has so much to do."""
        width = self._weights[message] / sum(self._weights.values())
        stage = Stage(message, self._before, width, whole, self._say)
        self._before += width
        stage(0)
        return stage
