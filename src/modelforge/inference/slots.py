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

    Before a forward pass ``open_row`` or ``open_rows`` says where its tokens belong; the model then calls ``update``
    once per layer. The tensors are made in the first pass, when the model shows what it stores.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.rows = 0
        self.capacity = 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._first = 0
        self._last = 0
        self._seen = 0
        self._width = 0
        self._places: Tensor | None = None

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

    def open_row(self, row: int, start: int, count: int) -> None:
        """The next pass brings ``count`` tokens of one row, the first of them at place ``start``."""
        self._first, self._last = row, row + 1
        self._seen, self._width = start, start + count
        self._places = None

    def open_rows(self, lengths: list[int]) -> None:
        """The next pass brings one token for each of the first rows, behind those that it holds."""
        if len(lengths) == 1:
            self.open_row(0, lengths[0], 1)
            return
        self._first, self._last = 0, len(lengths)
        self._seen, self._width = max(lengths), max(lengths) + 1
        device = self._keys[0].device if self._keys else None
        self._places = torch.tensor(lengths, device=device)

    @property
    def width(self) -> int:
        """How many places of each row the pass sees; the mask says which of them are the row's own."""
        return self._width

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Store a layer's new keys and values, [rows, heads, tokens, dimensions], and give all that are to be seen."""
        if layer_idx == len(self._keys):
            for tensors, states in ((self._keys, key_states), (self._values, value_states)):
                tensors.append(states.new_zeros((self.rows, states.shape[1], self.capacity, states.shape[3])))
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        if self._places is None:
            keys[self._first : self._last, :, self._seen : self._width] = key_states
            values[self._first : self._last, :, self._seen : self._width] = value_states
        else:
            each = torch.arange(self._last, device=keys.device)
            keys[each, :, self._places] = key_states[:, :, 0]
            values[each, :, self._places] = value_states[:, :, 0]
        seen = (slice(self._first, self._last), slice(None), slice(self._width))
        return keys[seen], values[seen]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before those of this pass, in the longest row."""
        return self._seen

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Places that a mask covers, and the first of them."""
        return self._width, 0
