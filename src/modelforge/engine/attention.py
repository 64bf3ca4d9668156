"""Causal attention over documents that lie end to end in one row, on the CPU; on a GPU see flash.py.

torch's flash attention for CPUs takes four to eight times as long as plain batched products in its bfloat16 backward
pass for documents below about 500 tokens (measured, benchmarks/LOG.md); above, it wins, and takes no memory for the
scores. So each document goes the way that its length asks for. Neither sees a token of another document.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from modelforge.engine import flash, kernel, pointwise
from modelforge.engine.pointwise import Angles

NAME = "modelforge"
"""In transformers' registry of attention functions; a model of that name is given no mask."""
LONGEST_BY_PRODUCTS = 512
"""Tokens of the longest document whose scores are written down."""

GROUP_SCORES = 256 * 1024
"""Scores of a head, at most, for documents that are multiplied together: what the caches of a core hold."""

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@lru_cache(maxsize=64)
def _mask(length: int, repeats: int, window: int, dtype: torch.dtype) -> Tensor:
    """What is added to scores of shape (…, repeats · length, length): -inf for the future and for what lies ``window``
    tokens back or more; 0 means no window."""
    places = torch.arange(length)
    back = places[:, None] - places[None]
    hidden = back < 0 if window == 0 else (back < 0) | (back >= window)
    return torch.zeros(length, length, dtype=dtype).masked_fill_(hidden, -math.inf).repeat(repeats, 1)[None]


@dataclass(frozen=True)
class _Group:
    """Documents of about the same length, which are multiplied together, each padded to the longest."""

    number: int
    length: int
    tokens: Tensor
    """Where each place of the padded documents is in the row, of shape (number · length,)."""
    places: Tensor | None
    """The places that are no padding; None where all are."""

    def gather(self, rows: Tensor, heads: int) -> Tensor:
        """(tokens of the row, heads · repeats, width) as (number · heads, repeats · length, width)."""
        width = rows.shape[2]
        padded = rows.index_select(0, self.tokens).view(self.number, self.length, heads, -1, width)
        return padded.permute(0, 2, 3, 1, 4).reshape(self.number * heads, -1, width)

    def put(self, rows: Tensor, target: Tensor) -> None:
        """The way back, into their places of ``target``."""
        width = rows.shape[2]
        heads = len(rows) // self.number
        padded = (
            rows.view(self.number, heads, -1, self.length, width).permute(0, 3, 1, 2, 4).reshape(-1, *target.shape[1:])
        )
        tokens = self.tokens
        if self.places is not None:
            padded, tokens = padded.index_select(0, self.places), tokens.index_select(0, self.places)
        target.index_copy_(0, tokens, padded)

    def silence(self, rows: Tensor) -> Tensor:
        """Gathered gradients, made 0 in the padding: what nobody asked for teaches nothing."""
        if self.places is None:
            return rows
        real = torch.zeros(self.number * self.length, dtype=rows.dtype)
        real[self.places] = 1.0
        heads = len(rows) // self.number
        return (
            rows.view(self.number, heads, -1, self.length, rows.shape[2])
            .mul(real.view(self.number, 1, 1, self.length, 1))
            .view_as(rows)
        )


@lru_cache(maxsize=16)
def _groups(lengths: tuple[int, ...]) -> list[_Group]:
    """The documents in groups, none of which is padded by more than a fifth of its length or eight tokens, or has more
    scores than ``GROUP_SCORES`` for each head."""
    starts = [0, *accumulate(lengths)]
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    groups: list[list[int]] = []
    for at in order:
        length = lengths[at]
        group = groups[-1] if groups else []
        fits = group and length <= max(1.2 * lengths[group[0]], lengths[group[0]] + 8)
        if fits and (len(group) + 1) * length**2 <= GROUP_SCORES:
            group.append(at)
        else:
            groups.append([at])
    found = []
    for group in groups:
        longest = lengths[group[-1]]
        within = torch.arange(longest)
        sizes = torch.tensor([lengths[at] for at in group])[:, None]
        begin = torch.tensor([starts[at] for at in group])[:, None]
        real = within < sizes
        tokens = (begin + torch.minimum(within, sizes - 1)).flatten()
        places = None if bool(real.all()) else real.flatten().nonzero()[:, 0]
        found.append(_Group(len(group), longest, tokens, places))
    return found


def _scores(query: Tensor, key: Tensor, length: int, window: int, cap: float) -> tuple[Tensor, Tensor | None]:
    """Probabilities of shape (heads, repeats · length, length); with a cap also tanh(score / cap).

    What pads a document lies behind it, where the mask hides it.
    """
    repeats = query.shape[1] // length
    mask = _mask(length, repeats, window if window < length else 0, query.dtype)
    if cap == 0.0:
        return torch.softmax(torch.baddbmm(mask, query, key.transpose(1, 2)), -1), None
    bent = torch.tanh(torch.bmm(query, key.transpose(1, 2)).div_(cap))
    return torch.softmax(torch.add(mask, bent, alpha=cap), -1), bent


def _by_products(length: int, window: int, cap: float) -> bool:
    # With a cap or a window that matters, there is no flash attention to go to.
    return length <= LONGEST_BY_PRODUCTS or cap > 0.0 or 0 < window < length


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Tensor,
    scale: float,
    window: int,
    cap: float,
    angles: Angles | None,
) -> tuple[Tensor, Tensor]:
    """``attend``, and of its scores' exponentials the sum's logarithm, of shape (heads, tokens), as the gradient asks
    for one."""
    heads = key.shape[1]
    out = torch.empty(query.shape, dtype=query.dtype)
    sums = torch.empty(query.shape[1], query.shape[0], dtype=torch.float32)
    if kernel.usable(key, lengths):
        kernel.attend([query, key, value, out], sums, lengths, scale, window, cap, angles, backward=False)
        return out, sums
    if angles is not None:
        query, key = pointwise.turn(query, angles), pointwise.turn(key, angles)
    scaled = query * scale
    for group in _groups(tuple(lengths.tolist())):
        if _by_products(group.length, window, cap):
            likely, _ = _scores(group.gather(scaled, heads), group.gather(key, heads), group.length, window, cap)
            group.put(torch.bmm(likely, group.gather(value, heads)), out)
        else:
            each = [_repeated(rows[group.tokens], query.shape[1]) for rows in (query, key, value)]
            found, total = _flash(*each, 0.0, True, scale=scale)
            out[group.tokens] = found[0].transpose(0, 1)
            sums[:, group.tokens] = total.reshape(query.shape[1], group.length)
    return out, sums


def _repeated(rows: Tensor, heads: int) -> Tensor:
    """(length, fewer heads, width) as (1, heads, length, width)."""
    return rows.transpose(0, 1).repeat_interleave(heads // rows.shape[1], 0)[None]


def _attend_back(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    sums: Tensor,
    lengths: Tensor,
    scale: float,
    window: int,
    cap: float,
    angles: Angles | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value. The probabilities are computed anew: they would take more memory than all
    else that a layer keeps."""
    heads, size = key.shape[1:]
    parts = [query.shape[1], heads, heads]
    # Side by side, as the product wants them that made all three.
    whole = torch.empty(len(query), sum(parts), size, dtype=query.dtype)
    by_query, by_key, by_value = torch.split(whole, parts, 1)
    if kernel.usable(key, lengths):
        rows = [grad, query, key, value, out, by_query, by_key, by_value]
        kernel.attend(rows, sums, lengths, scale, window, cap, angles, backward=True)
        return by_query, by_key, by_value
    if angles is not None:
        query, key = pointwise.turn(query, angles), pointwise.turn(key, angles)
    scaled = query * scale
    for group in _groups(tuple(lengths.tolist())):
        if _by_products(group.length, window, cap):
            asked, known, told = group.gather(scaled, heads), group.gather(key, heads), group.gather(value, heads)
            wanted = group.silence(group.gather(grad, heads))
            likely, bent = _scores(asked, known, group.length, window, cap)
            group.put(torch.bmm(likely.transpose(1, 2), wanted), by_value)
            by_score = torch._softmax_backward_data(torch.bmm(wanted, told.transpose(1, 2)), likely, -1, likely.dtype)
            if bent is not None:
                by_score.mul_(1 - bent.square())
            group.put(torch.bmm(by_score, known).mul_(scale), by_query)
            group.put(torch.bmm(by_score.transpose(1, 2), asked), by_key)
        else:
            each = [_repeated(rows[group.tokens], query.shape[1]) for rows in (grad, query, key, value, out)]
            found = _flash_backward(*each, sums[None, :, group.tokens].contiguous(), 0.0, True, scale=scale)
            for target, rows in zip((by_query, by_key, by_value), found, strict=True):
                shape = (group.length, target.shape[1], -1, target.shape[2])
                target[group.tokens] = rows[0].transpose(0, 1).reshape(shape).sum(2)
    if angles is not None:
        by_query, by_key = pointwise.turn_back(by_query, angles), pointwise.turn_back(by_key, angles)
    return by_query, by_key, by_value


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        lengths: Tensor,
        scale: float,
        window: int,
        cap: float,
        cosines: Tensor | None,
        sines: Tensor | None,
    ) -> Tensor:
        angles = _both(cosines, sines)
        out, sums = _attend(query, key, value, lengths, scale, window, cap, angles)
        ctx.save_for_backward(query, key, value, out, sums, lengths, cosines, sines)
        ctx.options = scale, window, cap
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums, lengths, cosines, sines = ctx.saved_tensors
        options = *ctx.options, _both(cosines, sines)
        found = _attend_back(grads[0], query, key, value, out, sums, lengths, *options)
        return *found, None, None, None, None, None, None


def _both(cosines: Tensor | None, sines: Tensor | None) -> Angles | None:
    return None if cosines is None or sines is None else (cosines, sines)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Tensor,
    scale: float,
    window: int = 0,
    cap: float = 0.0,
    angles: Angles | None = None,
) -> Tensor:
    """Attention of shape (tokens, heads, width).

    ``query`` is (tokens, heads, width); ``key`` and ``value`` have a divisor of its heads; ``lengths`` are the
    documents', int64. ``window`` tokens are seen at most and scores are bent to ±``cap``; 0 means neither. Queries and
    keys are turned by ``angles`` first.
    """
    options = (lengths, scale, window, cap, *(angles or (None, None)))
    out: Tensor = _Attention.apply(query, key, value, *options)  # type: ignore[no-untyped-call]
    return out


class Turn:
    """The turn of queries and keys by their positions, left to the attention that a layer calls right after it."""

    def __init__(self, own: pointwise.Forward) -> None:
        """``own`` is transformers', to which several rows are left."""
        self._own = own
        self._left: tuple[Tensor, Tensor, Angles] | None = None
        self._told: tuple[Tensor, Angles] | None = None

    def leave(self, query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *rest: Any, **more: Any) -> Any:
        """Stands for transformers' function: gives back what it is given, to be turned by whoever takes it next."""
        if len(query) > 1 or rest or more:
            return self._own(query, key, cos, sin, *rest, **more)
        assert self._left is None, "queries were turned that no attention followed"
        if self._told is None or self._told[0] is not cos:  # most models have the same for all of their layers
            self._told = cos, pointwise.angles(cos, sin)
        self._left = query, key, self._told[1]
        return query, key

    def forget(self) -> None:
        """What a pass left that came to no end."""
        self._left = None

    def take(self, query: Tensor, key: Tensor) -> Angles | None:
        """What these are to be turned by; None where nobody asked for it."""
        if self._left is None:
            return None
        asked, known, angles = self._left
        assert asked is query and known is key, "other queries were turned than attention was called with"
        self._left = None
        return angles


class Lengths:
    """The documents of a row, for all of its layers."""

    def __init__(self, lengths: Tensor, device: torch.device, turn: Turn | None = None) -> None:
        self.lengths = lengths
        """Int64, on the CPU."""
        self.turn = turn
        self.longest = int(lengths.max())
        self.starts: Tensor | None = None
        """On a GPU: where each begins, and where the last one ends; int32."""
        if device.type != "cpu":
            ends = lengths.cumsum(0, dtype=torch.int32)
            self.starts = torch.cat([ends.new_zeros(1), ends]).to(device, non_blocking=True)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    documents: Lengths,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """``attend`` as transformers calls an attention function: (1, heads, tokens, width) in, (1, tokens, heads, width)
    out."""
    angles = documents.turn.take(query, key) if documents.turn else None
    # Not ``rows[0]``, whose gradient is a copy.
    query, key, value = (rows.squeeze(0).transpose(0, 1) for rows in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if documents.starts is None:
        out = attend(query, key, value, documents.lengths, scale, sliding_window or 0, softcap or 0.0, angles)
    else:
        out = flash.attend(query, key, value, documents.starts, documents.longest, scale, sliding_window or 0)
    return out.unsqueeze(0), None
