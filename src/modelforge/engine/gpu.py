"""What pointwise.cpp does, once more, in Triton: for a GPU.

Formulas, sums in float32, and what dropout keeps are the same; there they are explained.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.errors import TritonError

from modelforge.engine.pointwise import Work
from modelforge.memory import Shape

WIDE = 1024
"""Elements that a program computes of what has no sum over a row."""


@triton.jit
def _norm(x, out, weight, factors, x_token, x_head, out_token, out_head, heads, size, epsilon, BLOCK: tl.constexpr):
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    at = tl.arange(0, BLOCK)
    within = at < size
    row = tl.load(x + token * x_token + head * x_head + at, mask=within, other=0.0).to(tl.float32)
    factor = 1.0 / tl.sqrt(tl.sum(row * row) / size + epsilon)
    tl.store(factors + token * heads + head, factor)
    row = row * factor * tl.load(weight + at, mask=within, other=0.0)
    tl.store(out + token * out_token + head * out_head + at, row, mask=within)


@triton.jit
def _norm_back(
    grad, x, out, weight, factors, grad_token, grad_head, x_token, x_head, out_token, out_head, heads, size,
    BLOCK: tl.constexpr,
):  # fmt: skip
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    at = tl.arange(0, BLOCK)
    within = at < size
    wanted = tl.load(grad + token * grad_token + head * grad_head + at, mask=within, other=0.0).to(tl.float32)
    wanted *= tl.load(weight + at, mask=within, other=0.0)
    row = tl.load(x + token * x_token + head * x_head + at, mask=within, other=0.0).to(tl.float32)
    factor = tl.load(factors + token * heads + head)
    mean = tl.sum(wanted * row) * factor * factor / size
    tl.store(out + token * out_token + head * out_head + at, factor * (wanted - mean * row), mask=within)


@triton.jit
def _turn(
    x, out, cosines, sines, x_token, x_head, out_token, out_head, size, turned,
    BACK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    at = tl.arange(0, BLOCK)
    within, moves = at < size, at < turned
    half = turned // 2
    partner = tl.where(at < half, at + half, at - half)
    here = x + token * x_token + head * x_head
    own = tl.load(here + at, mask=within, other=0.0).to(tl.float32)
    other = tl.load(here + partner, mask=moves, other=0.0).to(tl.float32)
    cosine = tl.load(cosines + token * turned + at, mask=moves, other=1.0).to(tl.float32)
    if BACK:
        sine = tl.load(sines + token * turned + partner, mask=moves, other=0.0).to(tl.float32)
        sine = tl.where(at < half, sine, -sine)
    else:
        sine = tl.load(sines + token * turned + at, mask=moves, other=0.0).to(tl.float32)
        sine = tl.where(at < half, -sine, sine)
    tl.store(out + token * out_token + head * out_head + at, own * cosine + other * sine, mask=within)


@triton.jit
def _active(x, GELU: tl.constexpr):
    if GELU:
        bent = 2.0 * tl.sigmoid(2.0 * 0.7978845608 * (x + 0.044715 * x * x * x)) - 1.0
        slope = 0.5 * (1.0 + bent)
        slope += 0.5 * 0.7978845608 * x * (1.0 - bent * bent) * (1.0 + 3.0 * 0.044715 * x * x)
        made = 0.5 * x * (1.0 + bent)
    else:
        share = tl.sigmoid(x)
        slope = share * (1.0 + x * (1.0 - share))
        made = x * share
    return made, slope


@triton.jit
def _gate(gates, ups, out, gates_token, ups_token, out_token, size, GELU: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    within = at < size
    gate = tl.load(gates + token * gates_token + at, mask=within, other=0.0).to(tl.float32)
    up = tl.load(ups + token * ups_token + at, mask=within, other=0.0).to(tl.float32)
    made, _ = _active(gate, GELU)
    tl.store(out + token * out_token + at, made * up, mask=within)


@triton.jit
def _gate_back(
    grad, gates, ups, by_gate, by_up, grad_token, gates_token, ups_token, by_gate_token, by_up_token, size,
    GELU: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    within = at < size
    wanted = tl.load(grad + token * grad_token + at, mask=within, other=0.0).to(tl.float32)
    gate = tl.load(gates + token * gates_token + at, mask=within, other=0.0).to(tl.float32)
    up = tl.load(ups + token * ups_token + at, mask=within, other=0.0).to(tl.float32)
    made, slope = _active(gate, GELU)
    tl.store(by_gate + token * by_gate_token + at, wanted * up * slope, mask=within)
    tl.store(by_up + token * by_up_token + at, wanted * made, mask=within)


@triton.jit(do_not_specialize=["seed", "other_seed", "least"])
def _drop(
    x, out, seed, other_seed, least, x_token, out_token, size, scale, BACK: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    within = at < size
    number = (token * size + at).to(tl.uint32)
    number = (number ^ seed.to(tl.uint32)) * 0x9E3779B1
    number = (number ^ (number >> 16) ^ other_seed.to(tl.uint32)) * 0x85EBCA6B
    number = (number ^ (number >> 13)) * 0xC2B2AE35
    number ^= number >> 16
    kept = number.to(tl.int32, bitcast=True) >= least
    row = tl.load(x + token * x_token + at, mask=within, other=0.0).to(tl.float32)
    row = tl.where(kept, row * scale, 0.0)
    here = out + token * out_token + at
    if BACK:
        row += tl.load(here, mask=within, other=0.0).to(tl.float32)
    tl.store(here, row, mask=within)


@triton.jit
def _meant(logits, scale, cap, CAPPED: tl.constexpr):
    logits = logits.to(tl.float32) * scale
    if CAPPED:
        logits = cap * (2.0 * tl.sigmoid(2.0 * logits / cap) - 1.0)
    return logits


@triton.jit
def _read_logits(
    logits, targets, weights, said, vocabulary, scale, cap,
    WEIGHTED: tl.constexpr, CAPPED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0).to(tl.int64)
    row = logits + place * vocabulary
    at = tl.arange(0, BLOCK)
    # Sums of each lane by itself, over what was largest in it so far; `shifted` is of part · (logit - peak).
    peaks = tl.full((BLOCK,), -1e30, tl.float32)
    parts = tl.zeros((BLOCK,), tl.float32)
    shifted = tl.zeros((BLOCK,), tl.float32)
    sums = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, vocabulary, BLOCK):
        within = start + at < vocabulary
        logit = _meant(tl.load(row + start + at, mask=within, other=0.0), scale, cap, CAPPED)
        sums += tl.where(within, logit, 0.0)
        higher = tl.where(within & ~(logit <= peaks), logit, peaks)
        shrunk = tl.exp(peaks - higher)
        part = tl.where(within, tl.exp(logit - higher), 0.0)
        shifted = shrunk * (shifted + parts * (peaks - higher)) + part * (logit - higher)
        parts = parts * shrunk + part
        peaks = higher
    peak = tl.max(peaks)
    shrunk = tl.exp(peaks - peak)
    total = tl.sum(parts * shrunk)
    moment = tl.sum(shrunk * (shifted + parts * (peaks - peak)))
    target = tl.load(targets + place)
    found = _meant(tl.load(row + target), scale, cap, CAPPED)
    log_sum = tl.log(total)
    tl.store(said + place * 4, found - peak - log_sum)
    tl.store(said + place * 4 + 1, log_sum - moment / total)
    tl.store(said + place * 4 + 2, tl.sum(sums) / vocabulary)
    tl.store(said + place * 4 + 3, (found == peak).to(tl.float32))
    if WEIGHTED:
        down = peak + log_sum
        factor = tl.load(weights + place) * scale
        for start in range(0, vocabulary, BLOCK):
            within = start + at < vocabulary
            logit = _meant(tl.load(row + start + at, mask=within, other=0.0), scale, cap, CAPPED)
            slope = factor * (tl.where(start + at == target, 1.0, 0.0) - tl.exp(logit - down))
            if CAPPED:
                slope *= 1.0 - (logit / cap) * (logit / cap)
            tl.store(row + start + at, slope, mask=within)


def run(work: Work, rows: Sequence[Tensor], numbers: Sequence[Tensor], heads: int, more: int, factor: float) -> None:
    """As ``pointwise._run``."""
    first = rows[0]
    tokens, _, size = first.shape
    both = [stride for each in rows for stride in each.stride()[:2]]
    block = triton.next_power_of_2(size)
    by_head: dict[str, Any] = {"BLOCK": block, "num_warps": min(16, max(1, block // 512))}
    parts = tokens, triton.cdiv(size, WIDE)
    wide: dict[str, Any] = {"BLOCK": WIDE}
    if tokens == 0:
        return
    match work:
        case Work.NORM:
            _norm[tokens, heads](*rows, *numbers, *both, heads, size, factor, **by_head)
        case Work.NORM_BACK:
            _norm_back[tokens, heads](*rows, *numbers, *both, heads, size, **by_head)
        case Work.TURN | Work.TURN_BACK:
            _turn[tokens, heads](*rows, *numbers, *both, size, more, BACK=work is Work.TURN_BACK, **by_head)
        case Work.GATE:
            _gate[parts](*rows, *both[::2], size, GELU=bool(more), **wide)
        case Work.GATE_BACK:
            _gate_back[parts](*rows, *both[::2], size, GELU=bool(more), **wide)
        case Work.DROP | Work.DROP_BACK:
            seeds = numbers[0].view(torch.int32).tolist()
            _drop[parts](*rows, *seeds, more, *both[::2], size, factor, BACK=work is Work.DROP_BACK, **wide)


def read_logits(
    logits: Tensor, targets: Tensor, said: Tensor, scale: float, cap: float, weights: Tensor | None
) -> None:
    """What ``loss.read_logits`` says, into ``said`` of shape (places, 4); with ``weights``, the logits themselves
    become the gradient."""
    places, vocabulary = logits.shape
    options: dict[str, Any] = {"WEIGHTED": weights is not None, "CAPPED": cap > 0, "BLOCK": 4096, "num_warps": 16}
    if places:
        _read_logits[(places,)](logits, targets, weights, said, vocabulary, scale, cap, **options)


def prepare(shape: Shape, dtype: torch.dtype, dropout: float) -> None:
    """Begin to compile what a model of this shape needs, beside what else is to be done first: seconds, where it does
    not lie in Triton's cache."""
    threading.Thread(target=_pass, args=(shape, dtype, dropout), daemon=True).start()


def _pass(shape: Shape, dtype: torch.dtype, dropout: float) -> None:
    """What most models need once, on a few tokens that lie as those of a layer do."""
    device = torch.device("cuda")
    if fault(device) is not None:
        return
    tokens, size = 16, shape.queries // shape.heads
    wide = torch.zeros(tokens, 1, shape.hidden, device=device, dtype=dtype)
    gates, ups = torch.zeros(tokens, 1, 2 * shape.mlp, device=device, dtype=dtype).chunk(2, -1)
    factors = torch.zeros(tokens, 1, device=device)
    run(Work.NORM, [wide, wide], [torch.zeros(shape.hidden, device=device), factors], 1, 0, 1.0)
    run(Work.NORM_BACK, [wide, wide, wide], [torch.zeros(shape.hidden, device=device), factors], 1, 0, 0.0)
    for heads in (shape.heads, shape.keys // size):
        one = torch.zeros(tokens, heads, size, device=device, dtype=dtype)
        angles = torch.zeros(tokens, size, device=device, dtype=dtype)
        for work in (Work.TURN, Work.TURN_BACK):
            run(work, [one, one], [angles, angles], heads, size, 0.0)
    made = torch.zeros(tokens, 1, shape.mlp, device=device, dtype=dtype)
    run(Work.GATE, [gates, ups, made], [], 1, 0, 0.0)
    run(Work.GATE_BACK, [made, gates, ups, gates, ups], [], 1, 0, 0.0)
    if dropout:
        for each in (wide, made):
            for work in (Work.DROP, Work.DROP_BACK):
                run(work, [each, each], [torch.zeros(1, dtype=torch.int64)], 1, 0, 1.0)
    logits = torch.zeros(tokens, shape.vocabulary, device=device, dtype=dtype)
    targets, said = torch.zeros(tokens, device=device, dtype=torch.int64), torch.zeros(tokens, 4, device=device)
    for weights in (None, torch.zeros(tokens, device=device)):
        read_logits(logits, targets, said, 1.0, 0.0, weights)


@lru_cache
def fault(device: torch.device) -> str | None:
    """Why Triton computes nothing on this GPU, as the end of a sentence; None where it does. Tried: it needs a compiler
    for C, too."""
    try:
        row = torch.ones(1, 1, 16, device=device)
        run(Work.TURN, [row, torch.empty_like(row)], [row[0], row[0]], 1, 16, 0.0)
    except (RuntimeError, OSError, subprocess.CalledProcessError, TritonError) as error:
        said = str(error).strip() or type(error).__name__
        return f"Triton fails: {said.splitlines()[0]}"
    return None
