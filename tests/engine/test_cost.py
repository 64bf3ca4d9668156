"""When compiling pays."""

from __future__ import annotations

import pytest
import torch

from modelforge.engine import cost
from tests.engine.models import make


def test_it_pays_for_long_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "product_rate", lambda *_: 1e9)
    model = make("llama")
    # Three layers of q, k, v, o and gate, up, down of width 64, and the output layer.
    weights = 3 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128) + 64 * 512
    tokens = cost.COMPILING_SECONDS / cost.GAIN * cost.EAGER_SHARE * 1e9 / (4 * weights)
    assert not cost.compiling_pays(model, 0.99 * tokens)
    assert cost.compiling_pays(model, 1.01 * tokens)


def test_the_rate_is_that_of_this_machine() -> None:
    assert 1e8 < cost.product_rate(torch.device("cpu"), torch.float32, 256) < 1e14
