"""Whether the loss is still a number, looked at after every step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from modelforge.worker.failures import NanLoss


class LossWatch:
    """Raises NanLoss for the first step whose loss is none.

    Of a GPU it learns at the step after, by when the number has come over by itself: to wait for each would keep the
    GPU waiting for what comes next. Whoever is about to save or to tell the loss asks for it at once.
    """

    def __init__(self) -> None:
        self._coming: tuple[int, Tensor, torch.cuda.Event] | None = None

    def look(self, loss: Tensor, step: int, *, at_once: bool) -> None:
        """``loss`` is that of the step, or a sum with those before it."""
        coming, self._coming = self._coming, None
        if coming is not None:
            earlier, number, there = coming
            there.synchronize()
            _check(float(number), earlier)
        if at_once or loss.device.type != "cuda":
            _check(float(loss), step)
            return
        number = torch.empty((), dtype=loss.dtype, pin_memory=True)
        number.copy_(loss, non_blocking=True)
        there = torch.cuda.Event()  # type: ignore[no-untyped-call]
        there.record()
        self._coming = step, number, there


def _check(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise NanLoss(f"The loss became {loss} at step {step}.")
