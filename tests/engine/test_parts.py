"""The engine's parts against plain definitions of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from modelforge import native
from modelforge.computing import cxx
from modelforge.engine import attention, kernel, pointwise
from modelforge.engine.loss import CHUNK, OutputLayer, read_logits, summed_loss, told
from modelforge.engine.packing import rows_of
from modelforge.engine.projections import side_by_side
from modelforge.engine.stacked import add_back, dropped
from tests.compilers import needs_compiler


@pytest.fixture(params=[pytest.param("compiled", marks=needs_compiler), "torch's operations"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How attention is computed: with and without a compiler."""
    if request.param == "compiled":
        assert native.code(native.ATTENTION).fault is None
    else:
        monkeypatch.setattr(kernel, "usable", lambda *_: False)
    return str(request.param)


@pytest.mark.usefixtures("way")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.one_of(st.integers(1, 40), st.integers(500, 560)), min_size=1, max_size=9),
    heads=st.sampled_from([(4, 4), (4, 2), (3, 1), (32, 1)]),  # of the last, not all scores go through together
    window=st.sampled_from([0, 1, 7, 530]),
    cap=st.sampled_from([0.0, 1.5]),
    size=st.sampled_from([8, 16, 20, 64]),
    turned=st.sampled_from([0.0, 0.5, 1.0] if cxx() else [0.0]),
)
def test_attention_is_causal_within_each_document(
    lengths: list[int], heads: tuple[int, int], window: int, cap: float, size: int, turned: float
) -> None:
    generator = torch.Generator().manual_seed(sum(lengths))
    many, few = heads
    shapes = [(sum(lengths), count, size) for count in (many, few, few)]
    rows = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    places = torch.randn(sum(lengths), int(turned * size) // 2, generator=generator).repeat(1, 2)
    angles = (places.cos(), places.sin()) if turned else None
    out = attention.attend(*rows, torch.tensor(lengths), 0.3, window, cap, angles)
    asked = torch.randn(out.shape, generator=generator)
    found = torch.autograd.grad(out, rows, asked)

    def turn(row: Tensor) -> Tensor:
        first, rest = row[..., : places.shape[1]], row[..., places.shape[1] :]
        one, other = first.chunk(2, -1)
        return torch.cat(
            [first * places.cos()[:, None] + torch.cat([-other, one], -1) * places.sin()[:, None], rest], -1
        )

    parts = []
    seen = (turn(rows[0]), turn(rows[1]), rows[2])
    for query, key, value in zip(*(torch.split(each, lengths) for each in seen), strict=True):
        key, value = (each.repeat_interleave(many // few, 1) for each in (key, value))
        scores = torch.einsum("qhd,khd->hqk", query, key) * 0.3
        if cap:
            scores = cap * torch.tanh(scores / cap)
        back = torch.arange(len(query))[:, None] - torch.arange(len(query))
        hidden = (back < 0) | (back >= (window or len(query)))
        parts.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(hidden, -math.inf).softmax(-1), value))
    wanted = torch.cat(parts)
    assert torch.allclose(out, wanted, atol=2e-5)
    for one, other in zip(found, torch.autograd.grad(wanted, rows, asked), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_attention_in_bfloat16_is_that_of_float32_but_for_rounding() -> None:
    lengths = torch.tensor([70, 3, 130])
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(203, heads, 64, generator=generator).bfloat16() for heads in (6, 2, 2)]
    grad = torch.randn(203, 6, 64, generator=generator).bfloat16()
    found = []
    for kind in (torch.bfloat16, torch.float32):
        # A layout as layers give it: (heads, tokens, size) seen the other way round.
        each = [row.to(kind).transpose(0, 1).contiguous().transpose(0, 1).requires_grad_() for row in rows]
        out = attention.attend(*each, lengths, 0.125)
        found.append([out.detach(), *torch.autograd.grad(out, each, grad.to(kind))])
    for half, whole in zip(*found, strict=True):
        assert half.dtype == torch.bfloat16
        assert float((half - whole).norm() / whole.norm()) < 4e-3  # half a unit of bfloat16's last place


@needs_compiler
def test_few_long_documents_on_many_threads_are_left_to_flash_attention() -> None:
    key = torch.zeros(8, 2, 16)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        assert kernel.usable(key, torch.tensor([4, 4]))
        assert not kernel.usable(key, torch.tensor([8]))
        assert not kernel.usable(key.half(), torch.tensor([4, 4]))
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("way")
def test_attention_reads_any_layout_and_writes_gradients_side_by_side() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(9, heads, 16, generator=generator).requires_grad_() for heads in (4, 2, 2)]
    options = (torch.tensor([4, 5]), 0.25)
    wanted = attention.attend(*rows, *options)
    grads = torch.autograd.grad(wanted, rows, wanted.detach())

    def turned(row: Tensor) -> Tensor:  # a head's numbers lie apart
        return row.detach().permute(2, 0, 1).contiguous().permute(1, 2, 0)

    others = [turned(row).requires_grad_() for row in rows]
    out = attention.attend(*others, *options)
    found = torch.autograd.grad(out, others, turned(out))
    assert out.is_contiguous()
    for one, other in zip((out, *found), (wanted, *grads), strict=True):
        assert torch.equal(one, other)
    parts = [each.flatten(1) for each in found]
    assert side_by_side(parts).data_ptr() == parts[0].data_ptr()


def test_queries_are_turned_by_the_attention_after_them() -> None:
    query, key = torch.zeros(1, 2, 3, 8), torch.zeros(1, 1, 3, 8)
    angles = torch.zeros(1, 3, 8), torch.ones(1, 3, 8)
    turn = attention.Turn(lambda *given, **more: (given, more))
    assert turn.take(query, key) is None
    assert turn.leave(query, key, *angles) == (query, key)
    with pytest.raises(AssertionError, match="no attention followed"):
        turn.leave(query, key, *angles)
    with pytest.raises(AssertionError, match="other queries"):
        turn.take(key, query)
    taken = turn.take(query, key)
    assert taken is not None
    assert [each.tolist() for each in taken] == [each[0].tolist() for each in angles]
    assert turn.take(query, key) is None
    several = torch.zeros(2, 2, 3, 8)
    assert turn.leave(several, several, *angles)[1] == {}  # the library's own


def test_what_is_no_number_stays_so_in_attention() -> None:
    rows = [torch.zeros(5, 1, 16).bfloat16() for _ in range(3)]
    rows[2][3] = math.nan
    out = attention.attend(*rows, torch.tensor([5]), 1.0)
    assert out[3:].isnan().all()


READS = pytest.mark.parametrize(
    "read", [pytest.param(pointwise.read_logits, marks=needs_compiler), read_logits], ids=["C++", "torch"]
)
BENT = pytest.mark.parametrize(
    ("scale", "cap", "bias"), [(1.0, 0.0, False), (0.5, 0.0, True), (1.0, 3.0, False), (2.0, 3.0, True)]
)


def plain_logits(hidden: Tensor, layer: OutputLayer) -> Tensor:
    logits = torch.nn.functional.linear(hidden, layer.weight, layer.bias) * layer.scale
    return layer.cap * torch.tanh(logits / layer.cap) if layer.cap else logits


@READS
@pytest.mark.parametrize("places", [1, CHUNK - 1, CHUNK, 2 * CHUNK + 3])
@BENT
def test_the_loss_is_cross_entropy(places: int, scale: float, cap: float, bias: bool, read: Any) -> None:
    generator = torch.Generator().manual_seed(places)
    weight = torch.randn(50, 16, generator=generator)
    offset = torch.randn(50, generator=generator) if bias else None
    hidden = torch.randn(places, 16, generator=generator).requires_grad_()
    targets = torch.randint(0, 50, (places,), generator=generator)
    layer = OutputLayer(weight, offset, scale, cap, read)
    loss, right = summed_loss(hidden, targets, layer)
    logits = plain_logits(hidden, layer)
    wanted = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert int(right) == int((logits.argmax(-1) == targets).sum())
    (found,) = torch.autograd.grad(3 * loss, hidden)
    (expected,) = torch.autograd.grad(3 * wanted, hidden)
    assert torch.allclose(found, expected, atol=1e-4)


@READS
@BENT
def test_what_is_told_of_each_place(scale: float, cap: float, bias: bool, read: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(83, 16, generator=generator)
    offset = torch.randn(83, generator=generator) if bias else None
    hidden = torch.randn(CHUNK + 5, 16, generator=generator).requires_grad_()
    targets = torch.randint(0, 83, (CHUNK + 5,), generator=generator)
    layer = OutputLayer(weight, offset, scale, cap, read)
    found = told(hidden, targets, layer)
    logits = plain_logits(hidden, layer)
    logs = logits.log_softmax(-1)
    wanted = logs.gather(-1, targets[:, None])[:, 0]
    assert torch.allclose(found.log_probs, wanted, atol=1e-5)
    assert torch.allclose(found.entropy, -(logs.exp() * logs).sum(-1), atol=1e-5)
    assert torch.allclose(found.mean_logits, logits.mean(-1), atol=1e-5)
    assert torch.equal(found.is_top1, logits.amax(-1) == logits.gather(-1, targets[:, None])[:, 0])
    asked = torch.randn(len(targets), generator=generator)
    for one, other in zip(
        torch.autograd.grad(found.log_probs, hidden, asked), torch.autograd.grad(wanted, hidden, asked), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-4)


@READS
def test_logits_that_are_no_numbers_show(read: Any) -> None:
    logits = torch.randn(3, 83, generator=torch.Generator().manual_seed(0))
    logits[1, 7] = logits[2, 82] = math.nan
    log_probs, *_, by_logits = read(logits, torch.tensor([1, 2, 3]), 1.0, 0.0, torch.full((3,), -1.0))
    assert log_probs.isnan().tolist() == [False, True, True]
    assert by_logits.isnan().any(-1).tolist() == [False, True, True]


@READS
def test_logits_of_bfloat16_and_of_extremes(read: Any) -> None:
    logits = torch.tensor([[300.0, -300.0, 296.0], [0.0, 0.0, 0.0], [-1e4, 1e4, 3.0]]).bfloat16()
    targets = torch.tensor([2, 1, 1])
    log_probs, entropy, _, is_top1, by_logits = read(logits.clone(), targets, 1.0, 0.0, torch.full((3,), -1.0))
    wanted = logits.float().log_softmax(-1)
    assert torch.allclose(log_probs, wanted.gather(-1, targets[:, None])[:, 0], atol=2e-2)
    assert torch.isfinite(entropy).all()
    assert is_top1.tolist() == [False, True, True]
    assert by_logits.dtype == torch.bfloat16
    expected = wanted.exp() - torch.nn.functional.one_hot(targets, 3)
    assert torch.allclose(by_logits.float(), expected, atol=2e-2)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=60), limit=st.integers(1, 400))
def test_rows_hold_every_document_once_and_are_full(lengths: list[int], limit: int) -> None:
    rows = rows_of(lengths, limit)
    assert sorted(at for row in rows for at in row) == list(range(len(lengths)))
    filled = [sum(lengths[at] for at in row) for row in rows]
    assert all(total <= limit or len(row) == 1 for total, row in zip(filled, rows, strict=True))
    # Any two rows of the longest-first rule would overflow one, but for the last.
    assert len(rows) <= 2 * math.ceil(sum(lengths) / limit) + sum(length > limit for length in lengths)


@pytest.mark.parametrize(
    "native", [pytest.param(True, marks=needs_compiler, id="C++"), pytest.param(False, id="torch")]
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_its_share_and_the_mean(
    share: float, dtype: torch.dtype, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native:
        monkeypatch.setattr(pointwise, "usable", lambda _: False)
    torch.manual_seed(0)
    x = torch.ones(1001, 333, dtype=dtype)
    found, kept = dropped(x, share)
    assert kept is not None
    assert float((found == 0).float().mean()) == pytest.approx(share, abs=0.005)
    assert float(found.float().mean()) == pytest.approx(1.0, abs=0.02)
    # Neighbours are decided about apart, in the row and from row to row.
    alone = (found != 0).float()
    for one, other in ((alone[:, 1:], alone[:, :-1]), (alone[1:], alone[:-1])):
        assert float((one * other).mean()) == pytest.approx((1 - share) ** 2, abs=0.005)
    # Of the gradient the same elements are dropped.
    by_x = torch.full_like(x, 2.0)
    add_back(torch.ones_like(x), kept, share, by_x)
    assert torch.equal(by_x, 2.0 + found)
    again, _ = dropped(x, share)
    assert float((again == found).float().mean()) == pytest.approx(share**2 + (1 - share) ** 2, abs=0.005)


def test_dropout_of_nothing_and_of_all() -> None:
    x: Any = torch.ones(5, 5)
    found, kept = dropped(x, 0.0)
    assert found is x
    assert kept is None
    none, kept = dropped(x, 1.0)
    assert float(none.abs().sum()) == 0.0
    add_back(x, kept, 1.0, by_x := torch.zeros(5, 5))
    assert float(by_x.abs().sum()) == 0.0
