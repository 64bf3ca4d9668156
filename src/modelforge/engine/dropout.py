"""Dropout as adapters have it. On a CPU torch draws its random numbers one after the other, and each step of it is a
pass over the activations: that took a tenth of the training (measured, benchmarks/LOG.md)."""

from __future__ import annotations

import torch
from torch import Tensor

from modelforge.engine import pointwise


def dropped(x: Tensor, share: float) -> tuple[Tensor, Tensor | None]:
    """``x`` of (tokens, size) with a ``share`` of its elements made 0 and the others as much larger, and what
    ``add_back`` has to know of them; None where all were kept.

    It draws by torch's generator: a resumed run draws what an undisturbed one does.
    """
    if share == 0.0:
        return x, None
    if share < 1.0 and pointwise.usable(x):
        seed = torch.empty(1, dtype=torch.int64).random_(-(1 << 63), None)
        return pointwise.drop(x, seed, share), seed
    return torch.native_dropout(x, share, True)


def add_back(grad: Tensor, kept: Tensor | None, share: float, by_x: Tensor) -> None:
    """Add to ``by_x`` the gradient of ``dropped``'s input, by that of its result."""
    if kept is None:
        by_x.add_(grad)
    elif kept.dtype == torch.bool:
        by_x.add_(torch.ops.aten.native_dropout_backward(grad, kept, 1.0 / (1.0 - share) if share < 1.0 else 0.0))
    else:
        pointwise.drop_back(grad, kept, share, by_x)
