"""Causal attention over documents that lie end to end in one row, on the CPU.

torch's flash attention for CPUs takes four to eight times as long as plain batched products in its bfloat16 backward
pass for documents below about 500 tokens (measured, benchmarks/LOG.md); above, it wins, and takes no memory for the
scores. So each document goes the way that its length asks for. Neither sees a token of another document.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

NAME = "modelforge"
"""In transformers' registry of attention functions; a model of that name is given no mask."""
LONGEST_BY_PRODUCTS = 512
"""Tokens of the longest document whose scores are written down."""

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


def _by_heads(rows: Tensor, heads: int) -> Tensor:
    """(length, heads · repeats, width) as (heads, repeats · length, width)."""
    length, _, width = rows.shape
    return rows.reshape(length, heads, -1, width).permute(1, 2, 0, 3).reshape(heads, -1, width)


def _by_tokens(rows: Tensor, length: int) -> Tensor:
    """The way back."""
    heads, _, width = rows.shape
    return rows.view(heads, -1, length, width).permute(2, 0, 1, 3).reshape(length, -1, width)


def _scores(query: Tensor, key: Tensor, length: int, window: int, cap: float) -> tuple[Tensor, Tensor | None]:
    """Probabilities of shape (heads, repeats · length, length); with a cap also tanh(score / cap)."""
    repeats = query.shape[1] // length
    mask = _mask(length, repeats, window if window < length else 0, query.dtype)
    if cap == 0.0:
        return torch.softmax(torch.baddbmm(mask, query, key.transpose(1, 2)), -1), None
    bent = torch.tanh(torch.bmm(query, key.transpose(1, 2)).div_(cap))
    return torch.softmax(torch.add(mask, bent, alpha=cap), -1), bent


def _by_products(length: int, window: int, cap: float) -> bool:
    # With a cap or a window that matters, there is no flash attention to go to.
    return length <= LONGEST_BY_PRODUCTS or cap > 0.0 or 0 < window < length


@torch.library.custom_op("modelforge::attend", mutates_args=())
def attend(
    query: Tensor, key: Tensor, value: Tensor, lengths: Tensor, scale: float, window: int, cap: float
) -> tuple[Tensor, Tensor]:
    """Attention of shape (tokens, heads, width), and the logarithm of the sum of its scores' exponentials, of shape
    (heads, tokens), where flash attention has one.

    ``query`` is (tokens, heads, width); ``key`` and ``value`` have a divisor of its heads; ``lengths`` are the
    documents', int64. ``window`` tokens are seen at most and scores are bent to ±``cap``; 0 means neither.
    """
    heads = key.shape[1]
    out = torch.empty(query.shape, dtype=query.dtype)
    sums = torch.empty(query.shape[1], query.shape[0], dtype=torch.float32)
    start = 0
    for length in lengths.tolist():
        here = slice(start, start + length)
        if _by_products(length, window, cap):
            likely, _ = _scores(_by_heads(query[here] * scale, heads), _by_heads(key[here], heads), length, window, cap)
            out[here] = _by_tokens(torch.bmm(likely, _by_heads(value[here], heads)), length)
        else:
            each = [_repeated(rows[here], query.shape[1]) for rows in (query, key, value)]
            found, total = _flash(*each, 0.0, True, scale=scale)
            out[here] = found[0].transpose(0, 1)
            sums[:, here] = total.reshape(query.shape[1], length)
        start += length
    return out, sums


@attend.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, lengths: Tensor, scale: float, window: int, cap: float) -> Any:
    return (
        query.new_empty(query.shape),
        query.new_empty((query.shape[1], query.shape[0]), dtype=torch.float32),
    )


def _repeated(rows: Tensor, heads: int) -> Tensor:
    """(length, fewer heads, width) as (1, heads, length, width)."""
    return rows.transpose(0, 1).repeat_interleave(heads // rows.shape[1], 0)[None]


@torch.library.custom_op("modelforge::attend_backward", mutates_args=())
def attend_backward(
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
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value. The probabilities are computed anew: they would take more memory than all
    else that a layer keeps."""
    heads = key.shape[1]
    by_query, by_key, by_value = (torch.empty(rows.shape, dtype=rows.dtype) for rows in (query, key, value))
    start = 0
    for length in lengths.tolist():
        here = slice(start, start + length)
        if _by_products(length, window, cap):
            asked, known, told, wanted = (
                _by_heads(rows, heads) for rows in (query[here] * scale, key[here], value[here], grad[here])
            )
            likely, bent = _scores(asked, known, length, window, cap)
            by_value[here] = _by_tokens(torch.bmm(likely.transpose(1, 2), wanted), length)
            by_score = torch._softmax_backward_data(torch.bmm(wanted, told.transpose(1, 2)), likely, -1, likely.dtype)
            if bent is not None:
                by_score.mul_(1 - bent.square())
            by_query[here] = _by_tokens(torch.bmm(by_score, known).mul_(scale), length)
            by_key[here] = _by_tokens(torch.bmm(by_score.transpose(1, 2), asked), length)
        else:
            each = [_repeated(rows[here], query.shape[1]) for rows in (grad, query, key, value, out)]
            found = _flash_backward(*each, sums[None, :, here].contiguous(), 0.0, True, scale=scale)
            for target, rows in zip((by_query, by_key, by_value), found, strict=True):
                target[here] = rows[0].transpose(0, 1).reshape(length, target.shape[1], -1, target.shape[2]).sum(2)
        start += length
    return by_query, by_key, by_value


@attend_backward.register_fake
def _(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any) -> Any:
    return tuple(rows.new_empty(rows.shape) for rows in (query, key, value))


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    query, key, value, lengths, ctx.scale, ctx.window, ctx.cap = inputs
    ctx.save_for_backward(query, key, value, *output, lengths)


def _gradient(ctx: Any, grad: Tensor, _: Tensor) -> Any:
    query, key, value, out, sums, lengths = ctx.saved_tensors
    found = torch.ops.modelforge.attend_backward(
        grad, query, key, value, out, sums, lengths, ctx.scale, ctx.window, ctx.cap
    )
    return *found, None, None, None, None


torch.library.register_autograd("modelforge::attend", _gradient, setup_context=_keep)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    lengths: Tensor,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """``attend`` as transformers calls an attention function: (1, heads, tokens, width) in, (1, tokens, heads, width)
    out."""
    out, _sums = torch.ops.modelforge.attend(
        *(rows[0].transpose(0, 1) for rows in (query, key, value)),
        lengths,
        query.shape[-1] ** -0.5 if scaling is None else scaling,
        sliding_window or 0,
        softcap or 0.0,
    )
    return out[None], None
