"""Causal attention over documents that lie end to end, on an NVIDIA GPU: torch's flash attention for sequences of
different lengths (FlashAttention-2, arXiv 2307.08691), which no mask has to be made for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

WIDEST = 256
"""Elements of a head that its kernels are made for; of these, multiples of eight, …"""
UNMADE = range(193, 225)
"""… but for these, whose gradient some GPUs have too little memory on the chip for."""

_forward = torch.ops.aten._flash_attention_forward
_backward = torch.ops.aten._flash_attention_backward


def usable(device: torch.device, dtype: torch.dtype, config: Any) -> bool:
    """Whether a model of such weights can be computed by it, by its configuration: it bends no scores."""
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return (
        device.type == "cuda"
        and torch.backends.cuda.is_flash_attention_available()
        and torch.cuda.get_device_capability(device) >= (8, 0)
        and dtype in (torch.bfloat16, torch.float16)
        and size % 8 == 0
        and size <= WIDEST
        and size not in UNMADE
        and not getattr(config, "attn_logit_softcapping", None)
    )


class _Flash(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, starts: Tensor, longest: int, options: dict[str, Any]
    ) -> Tensor:
        out, sums, state, unused, _ = _forward(
            query, key, value, starts, starts, longest, longest, 0.0, True, False, **options
        )
        ctx.save_for_backward(query, key, value, out, sums, starts, state, unused)
        ctx.longest, ctx.options = longest, options
        made: Tensor = out
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums, starts, state, unused = ctx.saved_tensors
        found = _backward(
            grads[0], query, key, value, out, sums, starts, starts, ctx.longest, ctx.longest, 0.0, True, state, unused,
            **ctx.options,
        )  # fmt: skip
        return *found, None, None, None


def attend(
    query: Tensor, key: Tensor, value: Tensor, starts: Tensor, longest: int, scale: float, window: int = 0
) -> Tensor:
    """Attention of shape (tokens, heads, width).

    ``query`` is (tokens, heads, width); ``key`` and ``value`` have a divisor of its heads; ``starts`` are the
    documents', and the end of the last one, int32; the longest has ``longest`` tokens. ``window`` are seen at most; 0
    means all.
    """
    options: dict[str, Any] = {"scale": scale}
    if 0 < window < longest:
        options |= {"window_size_left": window - 1, "window_size_right": 0}
    out: Tensor = _Flash.apply(query, key, value, starts, longest, options)  # type: ignore[no-untyped-call]
    return out
