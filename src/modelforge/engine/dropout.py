"""Dropout that costs little on a CPU.

torch draws a number for each element, one after the other: over the inputs of all adapters that takes longer than their
products. Here one drawn 64-bit number decides about four elements.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_STEPS = 1 << 16


@torch.library.custom_op("modelforge::draw", mutates_args=(), tags=(torch.Tag.nondeterministic_seeded,))
def draw(like: Tensor) -> Tensor:
    """Numbers from -32768 to 32767, all as likely, int16, of the shape of ``like``, by torch's generator: a resumed run
    draws what an undisturbed one does."""
    count = like.numel()
    numbers = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    return numbers.view(torch.int16)[:count].view(like.shape)


@draw.register_fake
def _(like: Tensor) -> Tensor:
    return torch.empty_like(like, dtype=torch.int16)


def dropout(x: Tensor, share: float) -> Tensor:
    """``x`` with a ``share`` of its elements made 0 and the others as much larger; on the CPU the share is rounded to
    1/65536."""
    if share == 0.0 or share == 1.0 or x.device.type != "cpu":
        return functional.dropout(x, share) if share else x
    kept = torch.ops.modelforge.draw(x.detach()) >= round(share * _STEPS) - _STEPS // 2
    return torch.where(kept, x * (1.0 / (1.0 - share)), torch.zeros((), dtype=x.dtype))
