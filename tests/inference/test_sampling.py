"""What is drawn, against transformers' own warpers."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from modelforge.inference.sampling import LIKELIEST, Sampler

CPU = torch.device("cpu")


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize(("size", "spread"), [(50, 2.0), (4 * LIKELIEST, 0.1)])
def test_the_same_tokens_can_be_drawn(top_p: float, size: int, spread: float) -> None:
    """Also where so many are likely that the first look at the likeliest is not enough."""
    logits = torch.randn(size, generator=torch.Generator().manual_seed(1)) * spread
    warped = TemperatureLogitsWarper(0.7)(torch.tensor([[0]]), logits[None])
    if top_p < 1:
        warped = TopPLogitsWarper(top_p)(torch.tensor([[0]]), warped)
    chances = warped.softmax(-1)[0]
    sampler = Sampler(0.7, top_p, 5, CPU)
    drawn = Counter(sampler.draw(logits) for _ in range(3000))
    assert all(chances[token] > 0 for token in drawn)
    frequent = chances > 0.02
    for token in frequent.nonzero().flatten().tolist():
        assert drawn[token] / 3000 == pytest.approx(float(chances[token]), abs=0.04)


def test_a_seed_draws_the_same_whoever_else_draws() -> None:
    logits = torch.randn(100, generator=torch.Generator().manual_seed(1))
    alone = Sampler(1.0, 0.9, 7, CPU)
    expected = [alone.draw(logits) for _ in range(20)]
    one, other = Sampler(1.0, 0.9, 7, CPU), Sampler(1.0, 0.9, None, CPU)
    got = []
    for _ in range(20):
        other.draw(logits)
        got.append(one.draw(logits))
    assert got == expected
    assert len(set(expected)) > 1


def test_without_a_temperature_the_likeliest_is_taken() -> None:
    assert Sampler(0.0, 0.9, None, CPU).draw(torch.tensor([0.0, 2.0, 1.0])) == 1
