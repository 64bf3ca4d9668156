"""Linear layers with a LoRA adapter: those that read the same input are multiplied as one.

Adapters stay the float32 parameters that PEFT made. On a CPU lowrank.cpp takes them as they are. For torch's
operations, which are slow at products of rank 16, the matrices of query, key and value, or of gate and up, are stacked:
A on top of A, B along a diagonal; those of the whole model anew before each pass, in a handful of operations, and so
their gradients come by themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import Tensor, nn
from torch.nn import functional

from modelforge.engine import lowrank
from modelforge.engine.dropout import add_back, dropped
from modelforge.engine.lowrank import LowRank
from modelforge.engine.quantized import Quantized


class Projection:
    """Layers that read the same input, as one. Several share one weight from here on, of which theirs are parts."""

    def __init__(self, layers: Sequence[Any]) -> None:
        """``layers`` are PEFT's, in the order in which the model calls them."""
        own = [layer.get_base_layer() for layer in layers]
        self._layers = list(layers)
        self._widths = [layer.out_features for layer in own]
        self._frozen: Plain | Quantized = Quantized(own) if _is_quantized(own[0]) else Plain(own)
        # By adapter: what is computed anew in the backward pass may come after a pass with another one.
        self._own: dict[str, LowRank] = {}
        self._stacked: dict[str, tuple[Tensor, Tensor]] = {}

    def adapter(self) -> str | None:
        """The name of the adapter that is at work; None where none is."""
        first = self._layers[0]
        return None if first.disable_adapters else str(first.active_adapters[0])

    def matrices(self, adapter: str) -> list[tuple[Tensor, Tensor, float]]:
        """A, B and the scale of each layer's adapter."""
        return [
            (layer.lora_A[adapter].weight, layer.lora_B[adapter].weight, float(layer.scaling[adapter]))
            for layer in self._layers
        ]

    def take_as_they_are(self, adapter: str, weight: Tensor) -> bool:
        """Use the matrices that PEFT made, where that can be for activations of the type of ``weight``; else, when this
        is False, it waits for ``take``."""
        made = self.matrices(adapter)
        matrices = [matrix for a, b, _ in made for matrix in (a, b)]
        if not lowrank.usable(weight, matrices):
            return False
        self._own[adapter] = LowRank(weight.dtype, matrices, [scale for _, _, scale in made])
        return True

    def take(self, adapter: str, a: Tensor, b: Tensor) -> None:
        """The stacked matrices for the adapter's passes until the next time: (ranks, width in), (widths out, ranks)."""
        self._stacked[adapter] = a, b

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """One output for each layer, of shape (…, its width)."""
        first = self._layers[0]
        share = 0.0
        added: Adapter | None = None
        matrices: Sequence[Tensor] = ()
        adapter = self.adapter()
        if adapter is not None:
            if adapter in self._own:
                added = self._own[adapter]
                matrices = [matrix for a, b, _ in self.matrices(adapter) for matrix in (a, b)]
            else:
                added, matrices = Stacked(), self._stacked[adapter]
            share = dropout_of(first, adapter) if first.training else 0.0
        rows = x.reshape(-1, x.shape[-1])
        parts = _Product.apply(rows, self._frozen, self._widths, share, added, *matrices)  # type: ignore[no-untyped-call]
        return [part.view(*x.shape[:-1], width) for part, width in zip(parts, self._widths, strict=True)]

    def forwards(self) -> list[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
        """The layers, with what they do instead of their own forward pass."""
        first, *rest = self._layers
        handover = Handover(self)
        return [(first, handover.first), *((layer, handover.next) for layer in rest)]


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


class _Product(torch.autograd.Function):
    """``W x + B (A x)`` of (tokens, width in), in parts of ``widths``; without ``adapter`` the first term alone."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        frozen: Plain | Quantized,
        widths: list[int],
        share: float,
        adapter: Adapter | None,
        *matrices: Tensor,
    ) -> Sequence[Tensor]:
        out = frozen.product(x)
        ctx.frozen, ctx.share, ctx.adapter = frozen, share, adapter
        if adapter is not None:
            seen, kept = dropped(x, share)
            ctx.save_for_backward(seen, kept, adapter.add(seen, out, matrices), *matrices)
        return torch.split(out, widths, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = side_by_side(grads)
        by_x = ctx.frozen.back(grad) if ctx.needs_input_grad[0] else None
        if ctx.adapter is None:
            return by_x, None, None, None, None
        seen, kept, low, *matrices = ctx.saved_tensors
        if by_x is None or kept is None:
            found = ctx.adapter.add_back(grad, seen, low, by_x, matrices)
        else:
            by_seen = torch.zeros_like(by_x)
            found = ctx.adapter.add_back(grad, seen, low, by_seen, matrices)
            add_back(by_seen, kept, ctx.share, by_x)
        return by_x, None, None, None, None, *found


class Stacked:
    """What ``LowRank`` does, by torch's operations on matrices that are stacked already: one A, and one B."""

    def add(self, x: Tensor, out: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """As ``LowRank.add``."""
        a, b = matrices
        low = torch.mm(x, a.t())
        out.addmm_(low, b.t())
        return low

    def add_back(
        self, grad: Tensor, x: Tensor, low: Tensor, by_x: Tensor | None, matrices: Sequence[Tensor]
    ) -> list[Tensor]:
        """As ``LowRank.add_back``."""
        a, b = matrices
        by_low = torch.mm(grad, b)
        if by_x is not None:
            by_x.addmm_(by_low, a)
        return [torch.mm(by_low.t(), x), torch.mm(low.t(), grad).t()]


Adapter = Stacked | LowRank


def side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Parts of (tokens, …) next to each other: where they lie so already, without a copy."""
    first = parts[0]
    width = sum(part.shape[1] for part in parts)
    places = itertools.accumulate((part.shape[1] for part in parts[:-1]), initial=first.storage_offset())
    store = first.untyped_storage().data_ptr()
    if len(parts) > 1 and all(
        part.stride() == (width, 1) and part.storage_offset() == place and part.untyped_storage().data_ptr() == store
        for part, place in zip(parts, places, strict=True)
    ):
        return first.as_strided((len(first), width), (width, 1))
    return torch.cat(list(parts), 1) if len(parts) > 1 else first


class Plain:
    """Frozen weights as they are."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        biases = [layer.bias for layer in layers]
        self._weight = _joined([layer.weight for layer in layers])
        self._bias = None if biases[0] is None else _joined(biases)

    def product(self, x: Tensor) -> Tensor:
        """(tokens, width in) to (tokens, widths out)."""
        return functional.linear(x, self._weight, self._bias)

    def back(self, grad: Tensor) -> Tensor:
        """The gradient of ``product``'s input."""
        return torch.mm(grad, self._weight)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """The parts as one tensor, of which they become views: no weight lies in memory twice."""
    if len(parts) == 1:
        return parts[0]
    whole = torch.cat([part.data for part in parts])
    for part, view in zip(parts, torch.split(whole, [len(part) for part in parts]), strict=True):
        part.data = view
    return whole


class Handover:
    """The outputs that a projection has computed already, for the layers that are called after its first."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._input: Tensor | None = None
        self._outputs: list[Tensor] = []

    def first(self, x: Tensor) -> Tensor:
        """Compute all of them."""
        first, *rest = self._projection(x)
        if rest:
            self._input, self._outputs = x, rest
        return first

    def next(self, x: Tensor) -> Tensor:
        """One more of them."""
        assert x is self._input, "layers that are taken for one read different inputs"
        out, *self._outputs = self._outputs
        if not self._outputs:
            self._input = None
        return out


def projections(layers: Sequence[Any]) -> list[Projection]:
    """Of layers that read the same input: one where all of them can be together; else one for each that has LoRA
    without a variant (DoRA)."""
    plain = [layer for layer in layers if is_plain(layer)]
    if len(plain) == len(layers) and len({_kind(layer) for layer in layers}) == 1:
        return [Projection(layers)]
    return [Projection([layer]) for layer in plain]


def is_plain(layer: Any) -> bool:
    """Whether a layer is PEFT's LoRA over a linear one without any of its variants, and so fit for a ``Projection``."""
    if not isinstance(layer, LoraLayer) or "default" not in layer.lora_A or layer.lora_variant or layer.merged:
        return False
    own: Any = layer.get_base_layer()
    linear = (type(own) is nn.Linear and isinstance(layer, Linear)) or _is_quantized(own)
    return linear and layer.lora_B["default"].bias is None and not own.weight.requires_grad


def dropout_of(layer: Any, adapter: str) -> float:
    """The share of a LoRA layer's inputs that it drops; PEFT has no dropout layer at all for 0."""
    return float(getattr(layer.lora_dropout[adapter], "p", 0.0))


def _is_quantized(layer: Any) -> bool:
    state = getattr(layer.weight, "quant_state", None)
    return state is not None and state.shape[-1] % 2 == 0


def _kind(layer: Any) -> tuple[object, ...]:
    own = layer.get_base_layer()
    state = getattr(own.weight, "quant_state", None)
    quantized = None if state is None else (state.blocksize, state.quant_type)
    return dropout_of(layer, "default"), own.bias is None, quantized, tuple(layer.lora_A)
