"""Products with frozen weights in 4 bits, which are made whole for each product and forgotten.

bitsandbytes' own layer keeps the whole weights of every layer until the backward pass, which takes the memory that the
four bits were to save, or computes them one layer at a time; here layers that read the same input are one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Quantized:
    """Linear layers of bitsandbytes that read the same input, as one."""

    def __init__(self, layers: Sequence[Any]) -> None:
        states = [layer.weight.quant_state for layer in layers]
        biases = [layer.bias for layer in layers]
        self._packed = [layer.weight.data for layer in layers]
        self._absmax = [_absmax(state) for state in states]
        self._widths = [int(state.shape[0]) for state in states]
        self._blocksize = int(states[0].blocksize)
        self._kind = str(states[0].quant_type)
        self._bias = None if biases[0] is None else torch.cat([bias.data for bias in biases])
        self._dtype: torch.dtype = layers[0].compute_dtype or torch.float32

    def __call__(self, x: Tensor) -> Tensor:
        """(tokens, width in) to (tokens, widths out), computed in the layers' ``compute_dtype``."""
        out: Tensor = torch.ops.modelforge.quantized_linear(
            x.to(self._dtype), self._packed, self._absmax, self._widths, self._blocksize, self._kind
        )
        return (out if self._bias is None else out + self._bias).to(x.dtype)


def _absmax(state: Any) -> Tensor:
    """The constants of a quantized weight; those that are quantized themselves take half a bit a weight whole."""
    if not state.nested:
        return torch.as_tensor(state.absmax).float()
    from bitsandbytes.functional import dequantize_blockwise  # noqa: PLC0415 - only where weights are quantized

    whole: Tensor = dequantize_blockwise(state.absmax, state.state2)
    return torch.add(whole, state.offset).float()


def _weight(
    packed: Sequence[Tensor],
    absmax: Sequence[Tensor],
    widths: Sequence[int],
    blocksize: int,
    kind: str,
    width_in: int,
    dtype: torch.dtype,
) -> Tensor:
    parts = [
        torch.ops.bitsandbytes.dequantize_4bit(part, constants, blocksize, kind, [width, width_in], dtype)
        for part, constants, width in zip(packed, absmax, widths, strict=True)
    ]
    return torch.cat(parts) if len(parts) > 1 else parts[0]


@torch.library.custom_op("modelforge::quantized_linear", mutates_args=())
def quantized_linear(
    x: Tensor, packed: list[Tensor], absmax: list[Tensor], widths: list[int], blocksize: int, kind: str
) -> Tensor:
    """``x`` of shape (tokens, width in) times each weight, side by side: (tokens, sum of ``widths``)."""
    return functional.linear(x, _weight(packed, absmax, widths, blocksize, kind, x.shape[1], x.dtype))


@quantized_linear.register_fake
def _(x: Tensor, packed: list[Tensor], absmax: list[Tensor], widths: list[int], blocksize: int, kind: str) -> Tensor:
    return x.new_empty((x.shape[0], sum(widths)))


@torch.library.custom_op("modelforge::quantized_linear_backward", mutates_args=())
def quantized_linear_backward(
    grad: Tensor,
    packed: list[Tensor],
    absmax: list[Tensor],
    widths: list[int],
    blocksize: int,
    kind: str,
    width_in: int,
) -> Tensor:
    """The gradient of ``x``."""
    return grad @ _weight(packed, absmax, widths, blocksize, kind, width_in, grad.dtype)


@quantized_linear_backward.register_fake
def _(
    grad: Tensor,
    packed: list[Tensor],
    absmax: list[Tensor],
    widths: list[int],
    blocksize: int,
    kind: str,
    width_in: int,
) -> Tensor:
    return grad.new_empty((grad.shape[0], width_in))


def _keep(ctx: Any, inputs: Any, output: Tensor) -> None:
    x, packed, absmax, ctx.widths, ctx.blocksize, ctx.kind = inputs
    ctx.width_in = x.shape[1]
    ctx.parts = len(packed)
    ctx.save_for_backward(*packed, *absmax)


def _gradient(ctx: Any, grad: Tensor) -> Any:
    packed, absmax = ctx.saved_tensors[: ctx.parts], ctx.saved_tensors[ctx.parts :]
    found = torch.ops.modelforge.quantized_linear_backward(
        grad, list(packed), list(absmax), ctx.widths, ctx.blocksize, ctx.kind, ctx.width_in
    )
    nothing = [None] * ctx.parts
    return found, nothing, nothing, None, None, None


torch.library.register_autograd("modelforge::quantized_linear", _gradient, setup_context=_keep)
