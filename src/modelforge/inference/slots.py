"""Keys and values of several token sequences at once, in tensors that stay where they are.

transformers' own caches grow by concatenation, or hold sequences of equal length; here every row has a length of its
own, and a row's beginning can be kept for the next prompt that starts alike.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache


class Slots(Cache):
    """Per layer two tensors of shape [rows, heads, capacity, dimensions].

    Before a forward pass ``open`` says where its tokens belong; the model then calls ``update`` once per layer. The
    tensors are made in the first pass, when the model shows what it stores.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.rows = 0
        self.capacity = 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._first = 0
        self._starts: list[int] = []
        self._count = 0
        self._at: tuple[Tensor, Tensor] | None = None

    @property
    def token_bytes(self) -> int:
        """What one token takes in one row, over all layers; 0 before the first pass."""
        return sum(tensor.shape[1] * tensor.shape[3] * tensor.element_size() for tensor in [*self._keys, *self._values])

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in [*self._keys, *self._values])

    @property
    def layers_held(self) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of each layer; empty before the first pass."""
        return list(zip(self._keys, self._values, strict=True))

    def resize(self, rows: int, capacity: int) -> None:
        """Make room for so many sequences of so many tokens; what fits stays as it is."""
        for tensors in (self._keys, self._values):
            for place, old in enumerate(tensors):
                new = old.new_zeros((rows, old.shape[1], capacity, old.shape[3]))
                kept = (slice(min(rows, self.rows)), slice(None), slice(min(capacity, self.capacity)))
                new[kept] = old[kept]
                tensors[place] = new
        self.rows, self.capacity = rows, capacity

    def copy(self, source: int, target: int, length: int) -> None:
        """The first ``length`` tokens of one row into another."""
        for tensor in [*self._keys, *self._values]:
            tensor[target, :, :length] = tensor[source, :, :length]

    def swap(self, one: int, other: int, length: int) -> None:
        """Let two rows change places, their first ``length`` tokens."""
        for tensor in [*self._keys, *self._values]:
            kept = tensor[one, :, :length].clone()
            tensor[one, :, :length] = tensor[other, :, :length]
            tensor[other, :, :length] = kept

    def open(self, first: int, starts: list[int], count: int) -> None:
        """The next pass brings ``count`` tokens for each of some neighbouring rows, from its place in ``starts`` on."""
        self._first, self._starts, self._count = first, starts, count
        self._at = None

    @property
    def width(self) -> int:
        """How many places of each row the pass sees; the mask says which of them are the row's own."""
        return max(self._starts) + self._count

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Store a layer's new keys and values, [rows, heads, tokens, dimensions], and give all that are to be seen."""
        if layer_idx == len(self._keys):
            for tensors, states in ((self._keys, key_states), (self._values, value_states)):
                tensors.append(states.new_zeros((self.rows, states.shape[1], self.capacity, states.shape[3])))
        rows = slice(self._first, self._first + len(self._starts))
        for held, states in ((self._keys[layer_idx], key_states), (self._values[layer_idx], value_states)):
            if len(self._starts) == 1:
                held[rows, :, self._starts[0] : self.width] = states
            else:
                each, places = self._places(held.device)
                held[each, :, places] = states.transpose(1, 2)
        seen = (rows, slice(None), slice(self.width))
        return self._keys[layer_idx][seen], self._values[layer_idx][seen]

    def _places(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The rows of a pass and its places in them, as indices; for all layers once."""
        if self._at is None:
            starts = torch.tensor(self._starts, device=device)[:, None]
            rows = torch.arange(self._first, self._first + len(self._starts), device=device)[:, None]
            self._at = rows, starts + torch.arange(self._count, device=device)
        return self._at

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before those of this pass, in the longest row."""
        return max(self._starts)

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Places that a mask covers, and the first of them."""
        return self.width, 0
