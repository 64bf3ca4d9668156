"""The Triton of gpu.py against plain definitions; on a GPU, or anywhere by Triton's interpreter::

TRITON_INTERPRET=1 python -m tests.engine.triton_kernels cpu
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from modelforge.engine import gpu, pointwise
from modelforge.engine.dropout import least
from modelforge.engine.loss import read_logits

NATIVE = pointwise._run
TYPES = (torch.float32, torch.bfloat16)


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def half(device: str) -> float:
    """How far bfloat16 may be from float32: the interpreter cuts numbers off that a GPU rounds."""
    return 2e-2 if device == "cpu" else 5e-3


def same(
    what: str, found: Callable[..., Tensor], wanted: Callable[..., Tensor], inputs: list[Tensor], device: str
) -> None:
    """Whether results and gradients are those of float32, but for the rounding of what is read and written."""
    for dtype in TYPES:
        rounded = [each.to(device, dtype) for each in inputs]
        ours, theirs = ([each.to(kind).requires_grad_() for each in rounded] for kind in (dtype, torch.float32))
        one, other = found(*ours), wanted(*theirs)
        asked = rows(*other.shape, seed=1).to(device, dtype)
        near = 1e-5 if dtype is torch.float32 else half(device)
        slack = 1e-6 if device != "cpu" else 0.1 * near
        pairs = [
            (one, other),
            *zip(torch.autograd.grad(one, ours, asked), torch.autograd.grad(other, theirs, asked.float()), strict=True),
        ]
        for left, right in pairs:
            assert left.dtype == dtype, what
            assert float((left.float() - right).norm()) <= near * float(right.norm()) + slack, (what, dtype)


def check_norms(device: str) -> None:
    for size in (1, 15, 64, 100, 1500):
        for shape in ((1, 7, size), (1, 7, 3, size)):
            weight = rows(size, seed=2).to(device)

            def wanted(x: Tensor, weight: Tensor = weight) -> Tensor:
                return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-3) * weight

            def found(x: Tensor, weight: Tensor = weight) -> Tensor:
                made: Tensor = pointwise._Norm.apply(x, weight, 1e-3)[0]  # type: ignore[no-untyped-call]
                return made

            same(f"norm {shape}", found, wanted, [rows(*shape)], device)


def check_turns(device: str) -> None:
    for size, turned in ((8, 8), (64, 64), (80, 32), (20, 20), (64, 48)):
        angles = rows(1, 9, turned // 2).repeat(1, 1, 2).to(device)
        cos, sin = angles.cos(), angles.sin()

        def wanted(x: Tensor, turned: int = turned, cos: Tensor = cos, sin: Tensor = sin) -> Tensor:
            first, rest = x[..., :turned], x[..., turned:]
            one, other = first.chunk(2, -1)
            return torch.cat([first * cos[:, None] + torch.cat([-other, one], -1) * sin[:, None], rest], -1)

        def found(x: Tensor, cos: Tensor = cos, sin: Tensor = sin) -> Tensor:
            query, key = pointwise.turning(lambda *_: None)(x, x[:, :1], cos, sin)
            assert torch.equal(key, query[:, :1])
            made: Tensor = query
            return made

        same(f"turn {size}, {turned}", found, wanted, [rows(1, 3, 9, size)], device)
        # As layers give it: tokens before heads.
        same(
            "turn",
            lambda x: found(x.transpose(1, 2)),
            lambda x: wanted(x.transpose(1, 2)),
            [rows(1, 9, 3, size)],
            device,
        )


def check_gates(device: str) -> None:
    for gelu in (False, True):
        for size in (1, 64, 1025):

            def wanted(both: Tensor, gelu: bool = gelu) -> Tensor:
                gate, up = both.chunk(2, -1)
                made = torch.nn.functional.gelu(gate, approximate="tanh") if gelu else torch.nn.functional.silu(gate)
                return made * up

            def found(both: Tensor, gelu: bool = gelu) -> Tensor:
                made: Tensor = pointwise._Gate.apply(*both.chunk(2, -1), gelu)  # type: ignore[no-untyped-call]
                return made

            same(f"gate {gelu} {size}", found, wanted, [3 * rows(1, 5, 2 * size)], device)


def check_dropout(device: str) -> None:
    """It keeps what the C++ keeps."""
    x = torch.ones(33, 1100)
    for value in (0, 1, -1, 2**62 + 12345, -(2**63)):
        seed = torch.tensor([value])
        kept = pointwise.drop(x.to(device), seed, 0.3)
        assert abs(float((kept == 0).float().mean()) - 0.3) < 0.02
        assert torch.allclose(kept[kept != 0], torch.tensor(1 / 0.7, device=device))
        back = torch.full_like(kept, 2.0)
        pointwise.drop_back(torch.ones_like(kept), seed, 0.3, back)
        assert torch.allclose(back, 2.0 + kept)
        if pointwise.fault(torch.device("cpu"), torch.float32) is None:
            native = torch.empty_like(x)
            NATIVE(pointwise.Work.DROP, [x[:, None], native[:, None]], [seed], 1, least(0.3), 1 / 0.7)
            assert torch.allclose(kept.cpu(), native)


def check_logits(device: str) -> None:
    for vocabulary in (3, 83, 9000):
        for scale, cap in ((1.0, 0.0), (0.5, 0.0), (1.0, 3.0), (2.0, 3.0)):
            for dtype in TYPES:
                logits = (3 * rows(5, vocabulary)).to(device, dtype)
                targets = torch.tensor([0, 1, 2, vocabulary - 1, 1], device=device)
                weights = torch.tensor([-1.0, 0.5, 0.0, 2.0, -1.0], device=device)
                for given in (weights, None):
                    wanted = read_logits(logits.float(), targets, scale, cap, given)
                    found = pointwise.read_logits(logits.clone(), targets, scale, cap, given)
                    for one, other in zip(found, wanted, strict=True):
                        if one is None or other is None:
                            assert one is other is None
                            continue
                        near = 1e-5 if one.dtype != torch.bfloat16 else half(device)
                        distance = float((one.float() - other.float()).norm())
                        assert distance <= near * float(other.float().norm()) + 1e-5, (vocabulary, scale, cap, dtype)
    broken = rows(3, 83).to(device)
    broken[1, 7] = broken[2, 82] = math.nan
    said = pointwise.read_logits(broken, torch.tensor([1, 2, 3], device=device), 1.0, 0.0)
    assert said[0].isnan().tolist() == [False, True, True]


CHECKS = (check_norms, check_turns, check_gates, check_dropout, check_logits)


def main() -> None:
    device = sys.argv[1]
    if device == "cpu":  # by the interpreter

        def run(work: pointwise.Work, rows: Any, numbers: Any, heads: int, more: int = 0, factor: float = 0.0) -> None:
            gpu.run(work, rows, numbers, heads, more, factor)

        pointwise._run, pointwise._read_logits = run, gpu.read_logits
    for check in CHECKS:
        check(device)
        print(f"{check.__name__}: as it should be")


if __name__ == "__main__":
    main()
