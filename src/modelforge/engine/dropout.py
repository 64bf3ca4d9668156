"""Dropout as adapters have it: what is kept, says a number of each element's place and a seed.

On a CPU torch draws its random numbers one after the other, and each step of it is a pass over the activations: that
took a tenth of the training (measured, benchmarks/LOG.md).
"""

from __future__ import annotations

import torch
from torch import Tensor


def drawn() -> Tensor:
    """A seed, of shape (1,) and int64, by torch's generator: a resumed run draws what an undisturbed one does."""
    return torch.empty(1, dtype=torch.int64).random_(-(1 << 63), None)


def least(share: float) -> int:
    """Of all int32, the share that lies below it."""
    return min(round(share * 2**32), 2**32 - 1) - 2**31


def larger(share: float) -> float:
    """How many times as large what is kept becomes, where a ``share`` is dropped."""
    return 1.0 / (1.0 - share) if share < 1.0 else 0.0
