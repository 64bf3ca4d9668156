"""The next token of one sequence, by its own settings and its own random numbers."""

from __future__ import annotations

import torch
from torch import Tensor

COLDEST = 1e-4
"""A lower temperature is greedy: the likeliest token's lead, divided by less, is no number any more."""
LIKELIEST = 512
"""Tokens that are looked at first. Sorting a vocabulary of 50 000 takes longer than a small model's forward pass."""


class Sampler:
    """Draws tokens for one request; with a seed it draws the same ones again."""

    def __init__(self, temperature: float, top_p: float, seed: int | None, device: torch.device) -> None:
        self.greedy = temperature < COLDEST
        self._temperature = temperature
        self._top_p = top_p
        self._generator = torch.Generator(device)
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def draw(self, logits: Tensor) -> int:
        """A token by logits of shape [vocabulary], in float32."""
        if self.greedy:
            return int(logits.argmax())
        chances = torch.softmax(logits / self._temperature, dim=-1)
        if self._top_p >= 1:
            return int(torch.multinomial(chances, 1, generator=self._generator))
        best, tokens = chances.topk(min(LIKELIEST, len(chances)))
        kept = self._kept(best)
        if bool(kept[-1]) and len(best) < len(chances):
            best, tokens = chances.sort(descending=True)
            kept = self._kept(best)
        return int(tokens[torch.multinomial(best * kept, 1, generator=self._generator)])

    def _kept(self, best: Tensor) -> Tensor:
        """Which of the tokens, likeliest first, are among those that hold ``top_p``: the likeliest one always."""
        before = best.cumsum(-1) - best
        kept = before < self._top_p
        kept[0] = True
        return kept
