"""Weights that stay in bfloat16 under a model that computes in float32, for processors that are slow at bfloat16.

Most models are published in bfloat16, and reading the weights is what a token costs: half as many bytes are nearly
twice as many tokens, and half of the memory (measured, benchmarks/LOG.md). Nothing is lost, as each of their numbers is
one of float32. step.cpp widens them as it reads; for prompts the layers here do, a piece after the other, which the
products of a long one outweigh.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PIECE = 1 << 20
"""Numbers that are widened at once: they are multiplied while the processor's cache still has them."""
SCALE = "scalar_embed_scale"
"""Where Gemma's embeddings have what they are multiplied by."""


class HalfLinear(nn.Module):
    """A linear layer over a weight in bfloat16, [outputs, inputs], which is no parameter: what asks a model for its
    type is told the one that it computes in."""

    weight: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("weight", layer.weight.detach())
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().float(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """[…, inputs] → […, outputs], of the type of ``x``."""
        pieces = torch.split(self.weight, max(1, PIECE // self.in_features))
        results = [functional.linear(x, piece.to(x.dtype)) for piece in pieces]
        result = results[0] if len(results) == 1 else torch.cat(results, dim=-1)
        return result if self.bias is None else result.add_(self.bias)


class HalfEmbedding(nn.Module):
    """An embedding over a weight in bfloat16, [vocabulary, hidden]."""

    weight: Tensor

    def __init__(self, layer: nn.Embedding) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach())
        self._scale: float = getattr(layer, SCALE, 1.0)

    def forward(self, ids: Tensor) -> Tensor:
        """[…] → […, hidden] in float32."""
        return functional.embedding(ids, self.weight).float().mul_(self._scale)


def halve(model: nn.Module) -> None:
    """Let a model in bfloat16 compute in float32, with the weights of its linear layers and embeddings left as they
    are. An adapter may lie beside them."""
    layers: dict[nn.Module, nn.Module] = {}
    for layer in model.modules():
        if type(layer) is nn.Linear and layer.weight.dtype == torch.bfloat16:
            layers[layer] = HalfLinear(layer)
        elif type(layer) is nn.Embedding or (isinstance(layer, nn.Embedding) and hasattr(layer, SCALE)):
            layers[layer] = HalfEmbedding(layer)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child in layers:
                setattr(parent, name, layers[child])
    for parameter in model.parameters():
        parameter.data = parameter.data.float()


def is_half(model: Any) -> bool:
    """Whether ``halve`` was here."""
    return any(isinstance(layer, HalfLinear) for layer in model.modules())
