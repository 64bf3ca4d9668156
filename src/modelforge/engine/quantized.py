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
        self._shapes = [list(state.shape) for state in states]
        self._blocksize = int(states[0].blocksize)
        self._kind = str(states[0].quant_type)
        self._dtype: torch.dtype = layers[0].compute_dtype or torch.float32
        self._bias = None if biases[0] is None else torch.cat([bias.data for bias in biases]).to(self._dtype)

    def product(self, x: Tensor) -> Tensor:
        """(tokens, width in) to (tokens, widths out), computed in the layers' ``compute_dtype``."""
        return functional.linear(x.to(self._dtype), self._weight(), self._bias).to(x.dtype)

    def back(self, grad: Tensor) -> Tensor:
        """The gradient of ``product``'s input."""
        return torch.mm(grad.to(self._dtype), self._weight()).to(grad.dtype)

    def _weight(self) -> Tensor:
        parts = [
            torch.ops.bitsandbytes.dequantize_4bit(packed, absmax, self._blocksize, self._kind, shape, self._dtype)
            for packed, absmax, shape in zip(self._packed, self._absmax, self._shapes, strict=True)
        ]
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def _absmax(state: Any) -> Tensor:
    """The constants of a quantized weight; those that are quantized themselves take half a bit a weight whole."""
    if not state.nested:
        return torch.as_tensor(state.absmax).float()
    from bitsandbytes.functional import dequantize_blockwise  # noqa: PLC0415 - only where weights are quantized

    whole: Tensor = dequantize_blockwise(state.absmax, state.state2)
    return torch.add(whole, state.offset).float()
