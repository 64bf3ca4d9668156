"""What lies between the products, in C++, against torch's operations for the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from modelforge.engine import kernel, pointwise
from modelforge.engine.engine import Engine
from modelforge.engine.families import FAMILIES
from tests.compilers import needs_compiler
from tests.engine.models import OWN, SIZES, documents, end_to_end, make

pytestmark = needs_compiler

# Whole vectors of every processor, and ends of rows that fill none.
SIZES_OF_ROWS = pytest.mark.parametrize("size", [1, 15, 16, 64, 100])
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def same(found: Callable[..., Tensor], wanted: Callable[..., Tensor], inputs: list[Tensor], dtype: torch.dtype) -> None:
    """Whether results and gradients are those of float32, but for the rounding of what is read and written."""
    rounded = [each.to(dtype) for each in inputs]
    ours, theirs = ([each.to(kind).requires_grad_() for each in rounded] for kind in (dtype, torch.float32))
    one, other = found(*ours), wanted(*theirs)
    asked = torch.randn(other.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    near = 1e-5 if dtype is torch.float32 else 5e-3
    pairs = [
        (one, other),
        *zip(torch.autograd.grad(one, ours, asked), torch.autograd.grad(other, theirs, asked.float()), strict=True),
    ]
    for left, right in pairs:
        assert left.dtype == dtype
        assert float((left.float() - right).norm()) <= near * float(right.norm()) + 1e-6


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@SIZES_OF_ROWS
@TYPES
@pytest.mark.parametrize("heads", [None, 3])
def test_norms(size: int, dtype: torch.dtype, heads: int | None) -> None:
    shape = (1, 7, size) if heads is None else (1, 7, heads, size)
    weight = rows(size, seed=2)

    def wanted(x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-3) * weight

    same(lambda x: pointwise._Norm.apply(x, weight, 1e-3)[0], wanted, [rows(*shape)], dtype)


@pytest.mark.parametrize(("size", "turned"), [(8, 8), (64, 64), (80, 32), (20, 20), (64, 48)])
@TYPES
def test_turns_by_positions(size: int, turned: int, dtype: torch.dtype) -> None:
    angles = rows(1, 9, turned // 2).repeat(1, 1, 2)
    cos, sin = angles.cos(), angles.sin()

    def wanted(x: Tensor) -> Tensor:
        first, rest = x[..., :turned], x[..., turned:]
        one, other = first.chunk(2, -1)
        return torch.cat([first * cos[:, None] + torch.cat([-other, one], -1) * sin[:, None], rest], -1)

    def found(x: Tensor) -> Tensor:
        query, key = pointwise.turning(lambda *_: None)(x, x[:, :1], cos, sin)
        assert torch.equal(key, query[:, :1])
        return query  # type: ignore[no-any-return]

    same(found, wanted, [rows(1, 3, 9, size)], dtype)


def test_several_rows_are_turned_by_the_librarys_own() -> None:
    turned = pointwise.turning(lambda *given, **more: (given, more))
    query, key, cos, sin = rows(2, 1, 3, 8), rows(2, 1, 3, 8), rows(2, 3, 8), rows(2, 3, 8)
    assert turned(query, key, cos, sin) == ((query, key, cos, sin), {})
    given = query[:1], key[:1], cos[:1], sin[:1]
    assert turned(*given, unsqueeze_dim=2) == (given, {"unsqueeze_dim": 2})


@SIZES_OF_ROWS
@TYPES
@pytest.mark.parametrize("gelu", [False, True])
def test_gates(size: int, dtype: torch.dtype, gelu: bool) -> None:
    def wanted(gate: Tensor, up: Tensor) -> Tensor:
        kind = torch.nn.functional.gelu(gate, approximate="tanh") if gelu else torch.nn.functional.silu(gate)
        return kind * up

    inputs = [8 * rows(1, 5, size), rows(1, 5, size, seed=3)]
    same(lambda gate, up: pointwise._Gate.apply(gate, up, gelu), wanted, inputs, dtype)
    # As parts of something wider.
    same(
        lambda both: pointwise._Gate.apply(*both.chunk(2, -1), gelu),
        lambda both: wanted(*both.chunk(2, -1)),
        [torch.cat(inputs, -1)],
        dtype,
    )


def test_gates_of_extremes_are_numbers() -> None:
    gate = torch.tensor([[-1e4, -200.0, 200.0, 1e4]]).requires_grad_()
    for gelu in (False, True):
        out: Any = pointwise._Gate.apply(gate, torch.ones(1, 4), gelu)
        assert out.tolist() == [pytest.approx([0.0, 0.0, 200.0, 1e4])]
        (slope,) = torch.autograd.grad(out.sum(), gate)
        assert slope.tolist() == [pytest.approx([0.0, 0.0, 1.0, 1.0])]


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_computed_by_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left to torch's operations by a name that has changed."""
    done: list[pointwise.Work] = []
    run = pointwise._run
    monkeypatch.setattr(pointwise, "_run", lambda work, *rest, **more: (done.append(work), run(work, *rest, **more)))
    turns: list[bool] = []
    attend = kernel.attend
    monkeypatch.setattr(kernel, "attend", lambda *given, **more: (turns.append(bool(given[6])), attend(*given, **more)))
    model = make(kind)
    engine = Engine(model)
    with engine.at_work():
        engine.loss(end_to_end(documents()))[0].backward()
    layers = SIZES["num_hidden_layers"]
    work = pointwise.Work
    turned = layers - sum(not each for each in getattr(model.config, "no_rope_layers", None) or [])
    assert done.count(work.GATE) == done.count(work.GATE_BACK) == layers
    if kind == "cohere":  # its norms take the mean away, and its turns pair neighbours
        assert work.NORM not in done
        turned = 0
    else:
        assert done.count(work.NORM) >= 2 * layers + 1
    assert len(turns) == 2 * layers  # forward and backward
    assert turns.count(True) == 2 * turned
    assert work.TURN not in done


def test_an_activation_that_it_lacks_is_left_to_the_model() -> None:
    config = AutoConfig.for_model("llama", **{**SIZES, "hidden_act": "relu"}, **OWN.get("llama", {}))
    model: Any = AutoModelForCausalLM.from_config(config).requires_grad_(False)
    replaced = pointwise.forwards(model.model, list(model.model.layers), FAMILIES["llama"])
    assert {type(module).__name__ for module, _ in replaced} == {"LlamaRMSNorm"}
