"""Linear layers with a LoRA adapter: those that read the same input are multiplied as one.

Adapters stay the float32 parameters that PEFT made. On a CPU lowrank.cpp takes them as they are; else they are stacked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import Tensor, nn
from torch.nn import functional

from modelforge.engine import lowrank
from modelforge.engine.lowrank import LowRank
from modelforge.engine.quantized import Quantized
from modelforge.engine.source import Source, source
from modelforge.engine.stacked import Stacked


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
        options = self._frozen, self._widths, share, added, source(x)
        parts = _Product.apply(rows, *options, *matrices)  # type: ignore[no-untyped-call]
        return [part.view(*x.shape[:-1], width) for part, width in zip(parts, self._widths, strict=True)]

    def forwards(self) -> list[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
        """The layers, with what they do instead of their own forward pass."""
        first, *rest = self._layers
        handover = Handover(self)
        return [(first, handover.first), *((layer, handover.next) for layer in rest)]


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
        source: Source,
        *matrices: Tensor,
    ) -> Sequence[Tensor]:
        out = frozen.product(x)
        ctx.frozen, ctx.share, ctx.adapter = frozen, share, adapter
        if adapter is not None:
            kept = adapter.add(x, share, out, matrices, source)
            ctx.kind, ctx.number = source.kind, len(kept)
            ctx.save_for_backward(*kept, *matrices)
        return torch.split(out, widths, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad = side_by_side(grads)
        by_x = ctx.frozen.back(grad) if ctx.needs_input_grad[0] else None
        found = []
        if ctx.adapter is not None:
            saved = ctx.saved_tensors
            kept, matrices = saved[: ctx.number], saved[ctx.number :]
            found = ctx.adapter.add_back(grad, kept, ctx.share, by_x, matrices, ctx.kind)
        return by_x, None, None, None, None, None, *found


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


def is_plain(layer: Any, linear: type[nn.Module] = nn.Linear) -> bool:
    """Whether a layer is PEFT's LoRA over one of the class ``linear`` without any of its variants, and so fit for a
    ``Projection``."""
    if not isinstance(layer, LoraLayer) or "default" not in layer.lora_A or layer.lora_variant or layer.merged:
        return False
    own: Any = layer.get_base_layer()
    known = (type(own) is linear and isinstance(layer, Linear)) or _is_quantized(own)
    return known and layer.lora_B["default"].bias is None and not own.weight.requires_grad


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
