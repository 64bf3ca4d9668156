"""Weights of linear layers in the layout that a CPU multiplies fastest in bfloat16, for models that step.cpp isn't for.

Between two tokens a model's weights are read once each, and reading them is what takes the time. oneDNN reads its own
blocked layout 1.4 to 1.9 times as fast as a plain matrix, for one row and for eight (measured with torch 2.13 on two
cores with AVX512-BF16, matrices of 576 × 576 to 49152 × 576); layers that are given the same input, as one matrix, gain
another tenth. Both layouts sum in float32: results are the same within rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

ROWS = 64
"""For how many rows the layout is chosen: 5 % faster than that for one, with one row too."""


class PackedLinear(nn.Module):
    """Linear layers with one input, whose weights exist in the blocked layout only."""

    def __init__(self, weights: list[Tensor], biases: list[Tensor | None]) -> None:
        """Each weight has the shape [outputs, inputs], each bias [outputs]."""
        super().__init__()
        self.sizes = [len(weight) for weight in weights]
        whole = torch.cat(weights) if len(weights) > 1 else weights[0]
        self.nbytes = whole.nbytes
        self._packed = torch.ops.mkldnn._reorder_linear_weight(whole, ROWS)
        self._bias: Tensor | None = None
        if any(bias is not None for bias in biases):
            pairs = zip(weights, biases, strict=True)
            self._bias = torch.cat([weight.new_zeros(len(weight)) if bias is None else bias for weight, bias in pairs])

    def forward(self, x: Tensor) -> Tensor:
        """[…, inputs] → […, all outputs]."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
        return result


class Part(nn.Module):
    """One of the layers in a packed one. The first that is asked computes for all of them."""

    def __init__(self, whole: PackedLinear, place: int, asked: _Asked) -> None:
        super().__init__()
        self.whole = whole
        self._place = place
        self._asked = asked

    def forward(self, x: Tensor) -> Tensor:
        """[…, inputs] → […, outputs]."""
        asked = self._asked
        if asked.x is not x:
            asked.x = x
            asked.results = self.whole(x).split(self.whole.sizes, dim=-1)
        result: Tensor = asked.results[self._place]
        if self._place == len(asked.results) - 1:  # they are asked in order
            asked.x, asked.results = None, ()
        return result


class _Asked:
    """What the parts of one layer were last given, and what came of it."""

    def __init__(self) -> None:
        self.x: Tensor | None = None
        self.results: tuple[Tensor, ...] = ()


def can_pack(model: nn.Module) -> bool:
    """Whether the model is one that gains: plain weights in bfloat16 on a CPU that oneDNN knows to compute so, and no
    adapter beside them, whose layers look at the weights of those that they change."""
    weight = next(iter(model.parameters()), None)
    return (
        not hasattr(model, "peft_config")
        and weight is not None
        and weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def pack(model: nn.Module) -> None:
    """Put packed layers in the place of a causal model's linear ones.

    A weight that something else uses too, as an output layer tied to the embedding, is copied; the others move.
    """
    groups = _groups(model)
    grouped = {id(layer) for group in groups for layer in group}
    parents = {id(child): (parent, name) for parent in model.modules() for name, child in parent.named_children()}
    singles = [[layer] for layer in model.modules() if id(layer) not in grouped and _weight(layer) is not None]
    for layers in groups + singles:
        whole = PackedLinear([_known_weight(layer) for layer in layers], [_bias(layer) for layer in layers])
        asked = _Asked()
        for place, layer in enumerate(layers):
            parent, name = parents[id(layer)]
            setattr(parent, name, whole if len(layers) == 1 else Part(whole, place, asked))
        layers.clear()  # the plain weights go one after the other, not all at the end


def packed_bytes(model: nn.Module) -> int:
    """Bytes of the packed weights of a model; they are no parameters any more."""
    return sum(module.nbytes for module in model.modules() if isinstance(module, PackedLinear))


@torch.inference_mode()
def _groups(model: Any) -> list[list[nn.Module]]:
    """The layers of one parent that are given the same input one after the other, as a model's pass shows them."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # With a copy, as what is changed in place between two calls is the same tensor with other numbers.
        calls.append((layer, inputs[0], inputs[0].clone()))

    hooks = [layer.register_forward_pre_hook(note) for layer in model.modules() if _weight(layer) is not None]
    model(input_ids=torch.tensor([[0, 1]]), use_cache=False)
    for hook in hooks:
        hook.remove()
    times: dict[int, int] = {}
    for layer, _, _ in calls:
        times[id(layer)] = times.get(id(layer), 0) + 1
    parents = {id(child): parent for parent in model.modules() for child in parent.children()}
    groups: list[list[nn.Module]] = []
    last: tuple[Any, Any, Any] = (None, None, None)
    for layer, x, numbers in calls:
        parent = parents[id(layer)]
        if times[id(layer)] == 1:
            if last[0] is parent and last[1] is x and torch.equal(last[2], numbers):
                groups[-1].append(layer)
            else:
                groups.append([layer])
            last = parent, x, numbers
    return [group for group in groups if len(group) > 1]


def _weight(layer: nn.Module) -> Tensor | None:
    """A linear layer's weight, [outputs, inputs]; None for what is no linear layer in bfloat16."""
    weight: Any = None
    # The exact class: what inherits from a linear layer may compute otherwise.
    if type(layer) is nn.Linear:
        weight = layer.weight.detach()
    elif type(layer) is Conv1D:  # GPT-2's, whose weight lies the other way round
        weight = layer.weight.detach().t()
    return weight if weight is not None and weight.dtype == torch.bfloat16 else None


def _known_weight(layer: nn.Module) -> Tensor:
    weight = _weight(layer)
    assert weight is not None
    return weight.contiguous()


def _bias(layer: Any) -> Tensor | None:
    return None if layer.bias is None else layer.bias.detach()
