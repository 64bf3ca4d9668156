"""Dropout that costs little on a CPU.

torch draws a number for each element, one after the other: over the inputs of all adapters that takes longer than their
products. Here one drawn 64-bit number decides about four elements.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STEPS = 1 << 16


def dropped(x: Tensor, share: float) -> tuple[Tensor, Tensor | None]:
    """``x`` with a ``share`` of its elements made 0 and the others as much larger, and which ones were kept; None where
    all were. On the CPU the share is rounded to 1/65536. It draws by torch's generator: a resumed run draws what an
    undisturbed one does."""
    if share == 0.0:
        return x, None
    if share == 1.0 or x.device.type != "cpu":
        return torch.native_dropout(x, share, True)
    numbers = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None).view(torch.int16)
    kept = numbers[: x.numel()].view(x.shape) >= round(share * _STEPS) - _STEPS // 2
    return torch.where(kept, x * (1.0 / (1.0 - share)), torch.zeros((), dtype=x.dtype)), kept
