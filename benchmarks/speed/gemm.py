"""The limit: how fast torch multiplies matrices of a model's own shapes, in a process of its own.

::

    python -m benchmarks.speed.gemm 135M cpu
"""

from __future__ import annotations

import json
import sys
import time

import torch

from benchmarks.speed.arithmetic import products
from benchmarks.speed.models import MODELS, Llama

ROWS = 1024
SECONDS = 0.4
"""For each product; the best of what fits into it counts."""


def rate(shape: Llama, dtype: torch.dtype, device: str) -> float:
    """GFLOP/s over all of a forward pass's products together."""
    operations, seconds = 0.0, 0.0
    for inputs, outputs, times in products(shape):
        operations += 2.0 * ROWS * inputs * outputs * times
        seconds += _best(inputs, outputs, dtype, device) * times
    return operations / seconds / 1e9


@torch.no_grad()
def _best(inputs: int, outputs: int, dtype: torch.dtype, device: str) -> float:
    """Seconds of the quickest of many."""
    rows = torch.randn(ROWS, inputs, device=device).to(dtype)
    weight = torch.randn(outputs, inputs, device=device).to(dtype)
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        torch.nn.functional.linear(rows, weight)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    shape = MODELS[sys.argv[1]]
    assert isinstance(shape, Llama)
    found = {
        name: rate(shape, dtype, sys.argv[2]) for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
