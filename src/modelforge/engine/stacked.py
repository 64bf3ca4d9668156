"""LoRA by torch's operations, which are slow at products of rank 16: the matrices of layers that read the same input
are stacked, A on top of A, B along a diagonal; those of the whole model anew before each pass, in a handful of
operations, and so their gradients come by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modelforge.engine import pointwise
from modelforge.engine.dropout import drawn, larger
from modelforge.engine.lowrank import Kept
from modelforge.engine.source import Kind, Source

if TYPE_CHECKING:
    from modelforge.engine.projections import Projection


class Stack:
    """The stacked matrices of projections, made of an adapter's in a few operations on all of them together."""

    def __init__(self, projections: Sequence[Projection], adapter: str) -> None:
        self._projections = projections
        self._adapter = adapter
        made = [projection.matrices(adapter) for projection in projections]
        ranks = [len(a) for each in made for a, _, _ in each]
        self._unit = unit = math.gcd(*ranks)
        """All ranks are multiples of it, and so a row of B is some whole pieces of its block's row."""
        places, scales = [], []
        self._shapes = []
        start = 0
        for each in made:
            whole = sum(len(a) for a, _, _ in each)
            tall, left = 0, 0
            for a, b, scale in each:
                rows = torch.arange(tall, tall + len(b))[:, None] * (whole // unit)
                pieces = torch.arange(left // unit, (left + len(a)) // unit)[None]
                places.append(start + (rows + pieces).flatten())
                scales.append(torch.full((b.numel() // unit, 1), scale))
                tall, left = tall + len(b), left + len(a)
            self._shapes.append((whole, each[0][0].shape[1], tall))
            start += tall * whole // unit
        device = made[0][0][0].device
        self._size = start
        self._places = torch.cat(places).to(device)
        self._scales = torch.cat(scales).to(device)

    def make(self, dtype: torch.dtype) -> None:
        """Give every projection its own, in the type that is computed in."""
        made = [each for projection in self._projections for each in projection.matrices(self._adapter)]
        stacked = _Stacked.apply(self, dtype, *(a for a, _, _ in made), *(b for _, b, _ in made))  # type: ignore[no-untyped-call]
        for projection, a, b in zip(self._projections, stacked[::2], stacked[1::2], strict=True):
            projection.take(self._adapter, a, b)

    def forward(self, parameters: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
        """From the matrices of all layers, A's before B's, to each projection's a and b in turn."""
        half = len(parameters) // 2
        downs = torch.cat([each.reshape(-1) for each in parameters[:half]]).to(dtype)
        pieces = torch.cat([each.reshape(-1, self._unit) for each in parameters[half:]]).mul_(self._scales)
        ups = downs.new_zeros(self._size, self._unit).index_copy_(0, self._places, pieces.to(dtype)).view(-1)
        a = torch.split(downs, [whole * width for whole, width, _ in self._shapes])
        b = torch.split(ups, [tall * whole for whole, _, tall in self._shapes])
        return [
            each.view(shape)
            for down, up, (whole, width, tall) in zip(a, b, self._shapes, strict=True)
            for each, shape in ((down, (whole, width)), (up, (tall, whole)))
        ]

    def backward(self, grads: Sequence[Tensor], parameters: Sequence[torch.Size]) -> list[Tensor]:
        """The way back, in float32."""
        half = len(parameters) // 2
        downs = torch.cat([grad.reshape(-1) for grad in grads[::2]]).float()
        ups = torch.cat([grad.reshape(-1, self._unit) for grad in grads[1::2]])
        pieces = ups.index_select(0, self._places).float().mul_(self._scales).view(-1)
        found = [
            *torch.split(downs, [shape.numel() for shape in parameters[:half]]),
            *torch.split(pieces, [shape.numel() for shape in parameters[half:]]),
        ]
        return [each.view(shape) for each, shape in zip(found, parameters, strict=True)]


class _Stacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stack: Stack, dtype: torch.dtype, *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.stack, ctx.shapes = stack, [each.shape for each in parameters]
        return tuple(stack.forward(parameters, dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.stack.backward(grads, ctx.shapes)


class Stacked:
    """What ``LowRank`` does, by torch's operations on matrices that are stacked already: one A, and one B."""

    def add(self, x: Tensor, share: float, out: Tensor, matrices: Sequence[Tensor], source: Source) -> Kept:
        """As ``LowRank.add``."""
        a, b = matrices
        seen, kept = dropped(x, share)
        low = torch.mm(seen, a.t())
        out.addmm_(low, b.t())
        return low, kept, seen

    def add_back(
        self, grad: Tensor, kept: Kept, share: float, by_x: Tensor | None, matrices: Sequence[Tensor], kind: Kind
    ) -> list[Tensor]:
        """As ``LowRank.add_back``."""
        (a, b), (low, chosen, seen) = matrices, kept
        assert low is not None and seen is not None
        by_low = torch.mm(grad, b)
        if by_x is not None and chosen is None:
            by_x.addmm_(by_low, a)
        elif by_x is not None:
            add_back(torch.mm(by_low, a), chosen, share, by_x)
        return [torch.mm(by_low.t(), seen), torch.mm(low.t(), grad).t()]


def dropped(x: Tensor, share: float) -> tuple[Tensor, Tensor | None]:
    """``x`` of (tokens, size) with a ``share`` of its elements made 0 and the others as much larger, and what
    ``add_back`` has to know of them; None where all were kept.
    """
    if share == 0.0:
        return x, None
    if share < 1.0 and pointwise.usable(x):
        seed = drawn()
        return pointwise.drop(x, seed, share), seed
    return torch.native_dropout(x, share, True)


def add_back(grad: Tensor, kept: Tensor | None, share: float, by_x: Tensor) -> None:
    """Add to ``by_x`` the gradient of ``dropped``'s input, by that of its result."""
    if kept is None:
        by_x.add_(grad)
    elif kept.dtype == torch.bool:
        by_x.add_(torch.ops.aten.native_dropout_backward(grad, kept, larger(share)))
    else:
        pointwise.drop_back(grad, kept, share, by_x)
