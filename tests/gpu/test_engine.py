"""The engine on an NVIDIA GPU: what it learns is what transformers and PEFT learn, and it never waits for the CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from modelforge.engine import attention, flash, pointwise
from modelforge.engine.engine import Engine
from modelforge.engine.families import FAMILIES
from tests.engine.models import (
    SIZES,
    apart,
    by_engine,
    compute_anew,
    documents,
    end_to_end,
    make,
    one_by_one,
    with_adapter,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU that torch could use")

CUDA = torch.device("cuda")
ON_CPU = documents()


def there(made: Any) -> list[tuple[Any, Any]]:
    """For transformers' own way: documents on the GPU."""
    return [(ids.to(CUDA), targets.to(CUDA)) for ids, targets in made]


@pytest.mark.parametrize("kind", FAMILIES)
def test_gradients_are_those_of_one_document_at_a_time(kind: str) -> None:
    whole = make(kind).to(CUDA)
    loss, wanted = one_by_one(whole, there(ON_CPU))
    found_loss, found = by_engine(whole, Engine(whole), ON_CPU)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert apart(found, wanted) < 2e-5
    half = make(kind, dtype=torch.bfloat16).to(CUDA)
    _, theirs = one_by_one(half, there(ON_CPU))
    engine = Engine(half)
    assert (engine._attention == attention.NAME) == (kind != "gemma2")
    _, found = by_engine(half, engine, ON_CPU)
    # Of all families but one; transformers itself is as far from float32 there.
    assert apart(found, wanted) < max(2e-2, 1.2 * apart(theirs, wanted))


def test_code_of_our_own_is_what_computes() -> None:
    assert pointwise.fault(CUDA, torch.bfloat16) is None
    from tests.engine import triton_kernels

    for check in triton_kernels.CHECKS:
        check("cuda")


@pytest.mark.parametrize(("window", "heads"), [(0, (4, 4)), (0, (4, 2)), (7, (4, 2)), (530, (3, 1))])
def test_attention_is_causal_within_each_document(window: int, heads: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 1, 540, 70]
    many, few = heads
    shapes = [(sum(lengths), count, 64) for count in (many, few, few)]
    rows = [torch.randn(shape, generator=generator).to(CUDA, torch.bfloat16).requires_grad_() for shape in shapes]
    row = attention.Lengths(torch.tensor(lengths), CUDA)
    assert row.starts is not None
    out = flash.attend(*rows, row.starts, row.longest, 0.3, window)
    asked = torch.randn(out.shape, generator=generator).to(CUDA, torch.bfloat16)
    found = torch.autograd.grad(out, rows, asked)
    plain = [each.detach().float().requires_grad_() for each in rows]
    parts = []
    for query, key, value in zip(*(torch.split(each, lengths) for each in plain), strict=True):
        key, value = (each.repeat_interleave(many // few, 1) for each in (key, value))
        back = torch.arange(len(query), device=CUDA)[:, None] - torch.arange(len(query), device=CUDA)
        hidden = (back < 0) | (back >= (window or len(query)))
        scores = torch.einsum("qhd,khd->hqk", query, key) * 0.3
        parts.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(hidden, -math.inf).softmax(-1), value))
    wanted = torch.cat(parts)
    assert apart(out.float(), wanted) < 1e-2
    for one, other in zip(found, torch.autograd.grad(wanted, plain, asked.float()), strict=True):
        assert apart(one.float(), other) < 1.5e-2


@pytest.fixture
def never_waits() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def test_a_pass_never_waits_for_the_gpu(request: pytest.FixtureRequest) -> None:
    model = make("llama", dtype=torch.bfloat16, lora_dropout=0.1).to(CUDA)
    engine = Engine(model)
    by_engine(model, engine, ON_CPU)
    request.getfixturevalue("never_waits")
    with engine.at_work():
        loss, _, learnt = engine.loss(end_to_end(ON_CPU))
        (loss / learnt).backward()


@pytest.mark.parametrize("nested", [False, True])
def test_quantized_weights(nested: bool, tmp_path: Any) -> None:
    AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SIZES)).save_pretrained(tmp_path)
    options = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": nested}
    model: Any = AutoModelForCausalLM.from_pretrained(
        tmp_path,
        dtype=torch.bfloat16,
        device_map={"": "cuda"},
        quantization_config=BitsAndBytesConfig(**options, bnb_4bit_compute_dtype=torch.bfloat16),
    )
    model = with_adapter(model).to(CUDA)
    loss, wanted = one_by_one(model, there(ON_CPU))
    found_loss, found = by_engine(model, Engine(model), ON_CPU)
    assert found_loss == pytest.approx(loss, rel=3e-2)
    assert apart(found, wanted) < 3e-2


def test_activations_computed_anew_change_nothing() -> None:
    model = make("llama", dtype=torch.bfloat16).to(CUDA)
    _, wanted = by_engine(model, Engine(model), ON_CPU)
    compute_anew(model)
    _, found = by_engine(model, Engine(model), ON_CPU)
    assert apart(found, wanted) < 2e-2


def test_dropout_is_drawn_by_the_generator_alone() -> None:
    model = make("llama", dtype=torch.bfloat16, lora_dropout=0.5).to(CUDA)
    engine = Engine(model)
    torch.manual_seed(3)
    _, first = by_engine(model, engine, ON_CPU)
    _, other = by_engine(model, engine, ON_CPU)
    torch.manual_seed(3)
    _, again = by_engine(model, engine, ON_CPU)
    assert apart(again, first) < 1e-2
    assert apart(other, first) > 5e-2
