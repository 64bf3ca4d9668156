"""What LoRA adds to a product, in C++, against its definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from modelforge import memory
from modelforge.contracts.training import TrainingConfig
from modelforge.engine import lowrank, pointwise
from modelforge.engine.dropout import drawn
from modelforge.engine.engine import Engine
from modelforge.engine.families import FAMILIES
from modelforge.engine.lowrank import LowRank
from modelforge.engine.source import Kind, Source
from modelforge.engine.stacked import Stacked
from modelforge.memory import Shape
from tests.compilers import needs_compiler
from tests.engine.models import OWN, documents, end_to_end, make

pytestmark = needs_compiler


@settings(max_examples=80, deadline=None)
@given(
    tokens=st.sampled_from([0, 1, 15, 32, 33, 70, 131]),
    inputs=st.sampled_from([16, 64, 272, 528]),
    layers=st.lists(
        st.tuples(st.sampled_from([16, 48, 272, 784]), st.sampled_from([1, 4, 8, 16, 24])), min_size=1, max_size=3
    ),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    wanted=st.booleans(),
    kind=st.sampled_from(list(Kind)),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_it_is_two_products(
    tokens: int, inputs: int, layers: list[tuple[int, int]], dtype: torch.dtype, wanted: bool, kind: Kind, share: float
) -> None:
    generator = torch.Generator().manual_seed(tokens + inputs)

    def rows(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    outputs = sum(width for width, _ in layers)
    # Rows that lie farther apart than they are wide, as parts of something wider do.
    read, up, out, grad, by_x = (
        rows(tokens, width + 16).to(dtype)[:, :width] for width in (inputs, inputs, outputs, outputs, inputs)
    )
    matrices = [each for width, rank in layers for each in (rows(rank, inputs), rows(width, rank))]
    scales = [0.5 + at for at in range(len(layers))]
    assert lowrank.usable(read, matrices)
    x, source = read_by(kind, read, up, rows(inputs), rows(tokens, 1).abs())

    def products(*given: Tensor) -> list[Tensor]:
        """``out``, ``by_x`` and the gradients of the matrices, as they are to be."""
        out, grad, by_x, x, kept, *matrices = [each.double().detach().requires_grad_() for each in given]
        pairs = zip(matrices[::2], matrices[1::2], scales, strict=True)
        added = torch.cat([scale * (kept * x @ a.t()) @ b.t() for a, b, scale in pairs], 1)
        found, *by_matrices = torch.autograd.grad(added, [x, *matrices], grad)
        return [(out + added).detach(), (by_x + found).detach(), *by_matrices]

    ours = LowRank(dtype, matrices, scales)
    before, added = by_x.clone(), out.clone()
    torch.manual_seed(tokens)
    seed = drawn()
    torch.manual_seed(tokens)
    kept = ours.add(x, share, added, matrices, source)
    chosen = pointwise.drop(torch.ones(tokens, inputs), seed, share) if share else torch.ones(tokens, inputs)
    given = (out, grad, before, x, chosen, *matrices)
    expected, largest = products(*given), products(*(each.abs() for each in given))
    found = [added, by_x, *ours.add_back(grad, kept, share, by_x if wanted else None, matrices, kind)]
    if not wanted:
        assert torch.equal(by_x, before)
        found[1], expected[1] = found[0], expected[0]
    for at, (one, other, most) in enumerate(zip(found, expected, largest, strict=True)):
        # The gradients of the matrices are float32, of whatever was multiplied; what is made again isn't rounded.
        rounded = at < 2 or kind is not Kind.PLAIN
        near = 5e-3 if rounded and dtype is torch.bfloat16 else 0.0
        assert float((one.double() - other).norm()) <= near * float(most.norm()) + 1e-6 * float(most.norm())


def read_by(kind: Kind, read: Tensor, up: Tensor, weight: Tensor, factors: Tensor) -> tuple[Tensor, Source]:
    """What an adapter is given that reads ``read`` by way of a norm or a gate, and what that is made of."""
    if kind is Kind.NORMED:
        return (read.float() * factors * weight).to(read.dtype), Source(kind, (read, weight, factors))
    if kind is Kind.PLAIN:
        return read, Source(kind, (read,))
    opened = (
        functional.silu(read.float()) if kind is Kind.BY_SILU else functional.gelu(read.float(), approximate="tanh")
    )
    return (opened * up.float()).to(read.dtype), Source(kind, (read, up))


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("family", [name for name in FAMILIES if name in OWN or name == "llama"])
def test_it_keeps_what_the_memory_estimate_says(family: str, share: float) -> None:
    """What norms and gates make is not among it, nor what dropout does."""
    rank = 16
    model, rows = make(family, lora_dropout=share, r=rank), end_to_end(documents())
    engine = Engine(model)
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        store = x.untyped_storage()
        if not isinstance(x, torch.nn.Parameter):
            kept[store.data_ptr()] = store.nbytes()
        return x

    with engine.at_work(), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        hidden = engine._hidden(rows)
    assert hidden.requires_grad
    shape = Shape.of(model.get_base_model().config.to_dict())
    assert shape is not None
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", lora_r=rank, lora_dropout=share)
    each = len(rows.input_ids) * memory._kept_by_token(shape, config, 4, memory._Way.NATIVE)
    assert sum(kept.values()) == pytest.approx(shape.layers * each, rel=0.06)  # the last norm, positions and lengths


def test_rows_beside_it_stay_as_they_are() -> None:
    whole = torch.zeros(40, 96)
    matrices = [torch.ones(4, 32), torch.ones(32, 4)]
    x = torch.ones(40, 32)
    source = Source(Kind.PLAIN, (x,))
    LowRank(torch.float32, matrices, [1.0]).add(x, 0.0, whole[:, 32:64], matrices, source)
    assert bool((whole[:, 32:64] == 128).all())
    assert not whole[:, :32].any() and not whole[:, 64:].any()


def test_a_column_of_rank_one_may_lie_as_a_decomposition_leaves_it() -> None:
    a, b = torch.ones(1, 32), torch.ones(32, 1).as_strided((32, 1), (1, 32))
    out, x = torch.zeros(3, 32), torch.ones(3, 32)
    assert lowrank.usable(x, [a, b])
    LowRank(torch.float32, [a, b], [1.0]).add(x, 0.0, out, [a, b], Source(Kind.PLAIN, (x,)))
    assert bool((out == 32).all())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (torch.zeros(4, 24), torch.zeros(32, 4)),  # widths that fill no vectors
        (torch.zeros(4, 32), torch.zeros(24, 4)),
        (torch.zeros(4, 32).bfloat16(), torch.zeros(32, 4).bfloat16()),
        (torch.zeros(32, 4).t(), torch.zeros(32, 4)),
    ],
)
def test_what_is_left_to_torch(a: Tensor, b: Tensor) -> None:
    assert not lowrank.usable(torch.zeros(1), [a, b])
    assert not lowrank.usable(torch.zeros(1).half(), [torch.zeros(4, 32), torch.zeros(32, 4)])


def test_an_adapter_is_computed_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[bool] = []
    run = LowRank._run

    def count(self: LowRank, *given: object, back: bool) -> None:
        done.append(back)
        run(self, *given, back=back)  # type: ignore[arg-type]

    monkeypatch.setattr(LowRank, "_run", count)
    monkeypatch.setattr(Stacked, "add", lambda *_: pytest.fail("it was left to torch"))
    engine = Engine(make("llama"))
    with engine.at_work():
        engine.loss(end_to_end(documents()))[0].backward()
    assert done.count(True) == done.count(False) > 0
