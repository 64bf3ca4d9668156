"""Linear layers with a LoRA adapter: those that read the same input are multiplied as one.

Products of rank 16 run at a third of the rate of wide ones (measured), so the matrices of query, key and value, or of
gate and up, are stacked: A on top of A, B along a diagonal. Adapters stay the float32 parameters that PEFT made; they
are stacked anew before each pass, which costs little beside it, and so their gradients come by themselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import Tensor, nn
from torch.nn import functional

from modelforge.engine.dropout import add_back, dropped
from modelforge.engine.quantized import Quantized


class Projection:
    """Layers that read the same input, as one. Several share one weight from here on, of which theirs are parts."""

    def __init__(self, layers: Sequence[Any]) -> None:
        """``layers`` are PEFT's, in the order in which the model calls them."""
        own = [layer.get_base_layer() for layer in layers]
        self._layers = list(layers)
        self._widths = [layer.out_features for layer in own]
        self._frozen: Plain | Quantized = Quantized(own) if _is_quantized(own[0]) else Plain(own)
        self._stacked: tuple[Tensor, Tensor] | None = None

    def stack(self, dtype: torch.dtype) -> None:
        """Lay the adapters' matrices together, in the type that is computed in, for the passes until the next time."""
        first = self._layers[0]
        if first.disable_adapters:
            return
        adapter = first.active_adapters[0]
        down = [layer.lora_A[adapter].weight for layer in self._layers]
        up = [layer.lora_B[adapter].weight * layer.scaling[adapter] for layer in self._layers]
        a = torch.cat(down) if len(down) > 1 else down[0]
        b = torch.block_diag(*up) if len(up) > 1 else up[0]  # type: ignore[no-untyped-call]
        self._stacked = a.to(dtype), b.to(dtype)

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """One output for each layer, of shape (…, its width)."""
        first = self._layers[0]
        share = 0.0
        stacked: tuple[Tensor | None, Tensor | None] = None, None
        if not first.disable_adapters:
            assert self._stacked is not None
            stacked = self._stacked
            share = dropout_of(first, first.active_adapters[0]) if first.training else 0.0
        product = _plain if torch.compiler.is_compiling() else _Product.apply
        parts = product(x.reshape(-1, x.shape[-1]), *stacked, self._frozen, self._widths, share)
        return [part.view(*x.shape[:-1], width) for part, width in zip(parts, self._widths, strict=True)]

    def forwards(self) -> list[tuple[nn.Module, Callable[[Tensor], Tensor]]]:
        """The layers, with what they do instead of their own forward pass."""
        first, *rest = self._layers
        handover = Handover(self)
        return [(first, handover.first), *((layer, handover.next) for layer in rest)]


class _Product(torch.autograd.Function):
    """``W x + B (A x)`` of (tokens, width in), in parts of ``widths``; without ``a`` and ``b`` the first term alone."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        a: Tensor | None,
        b: Tensor | None,
        frozen: Plain | Quantized,
        widths: list[int],
        share: float,
    ) -> Sequence[Tensor]:
        out = frozen.product(x)
        ctx.frozen, ctx.share = frozen, share
        if a is not None and b is not None:
            seen, kept = dropped(x, share)
            low = torch.mm(seen, a.t())
            out.addmm_(low, b.t())
            ctx.save_for_backward(seen, kept, low, a, b)
        return torch.split(out, widths, -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        grad = side_by_side(grads)
        wanted = ctx.needs_input_grad[0]
        by_x = ctx.frozen.back(grad) if wanted else None
        saved = ctx.saved_tensors  # once: it may compute them anew
        if not saved:
            return by_x, None, None, None, None, None
        seen, kept, low, a, b = saved
        by_low = torch.mm(grad, b)
        if by_x is not None and kept is None:
            by_x.addmm_(by_low, a)
        elif by_x is not None:
            add_back(torch.mm(by_low, a), kept, ctx.share, by_x)
        return by_x, torch.mm(by_low.t(), seen), torch.mm(low.t(), grad).t(), None, None, None


def _plain(
    x: Tensor, a: Tensor | None, b: Tensor | None, frozen: Plain | Quantized, widths: list[int], share: float
) -> Sequence[Tensor]:
    """The same in torch's own operations: its compiler sees through these alone."""
    out = frozen.product(x)
    if a is not None and b is not None:
        out = torch.addmm(out, torch.mm(functional.dropout(x, share), a.t()), b.t())
    return torch.split(out, widths, -1)


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
        out = self._outputs.pop(0)
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
