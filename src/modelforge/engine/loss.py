"""The loss of a causal model without its logits ever lying in memory as a whole.

Only places whose next token is learnt reach the output layer, some hundred at a time, and the gradient is computed in
the same pass as the loss (Liger kernel, arXiv 2410.10989; Cut cross-entropy, arXiv 2411.09009).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 256
"""Places at a time: more are no faster, and take more memory."""


@dataclass
class OutputLayer:
    """From a hidden state to logits: ``cap · tanh(scale · (W h + b) / cap)``; without a cap ``scale · (W h + b)``."""

    weight: Tensor
    """Of shape (vocabulary, width); frozen."""
    bias: Tensor | None = None
    scale: float = 1.0
    cap: float = 0.0
    step: Callable[..., tuple[Tensor, Tensor, Tensor]] | None = None
    """``cross_entropy``, compiled."""


def cross_entropy(logits: Tensor, targets: Tensor, scale: float, cap: float) -> tuple[Tensor, Tensor, Tensor]:
    """The summed loss in nats, the gradient by ``logits`` before scale and cap, and how many are the likeliest token.

    ``logits`` are (places, vocabulary), ``targets`` (places,).
    """
    bent = None
    values = logits.float()
    if scale != 1.0:
        values = values * scale
    if cap > 0.0:
        bent = torch.tanh(values / cap)
        values = bent * cap
    target = values.gather(-1, targets[:, None])
    total = torch.logsumexp(values, -1, keepdim=True)
    right = (target == values.amax(-1, keepdim=True)).sum()
    loss = (total - target).sum()
    gradient = torch.exp(values - total)
    places = torch.arange(values.shape[1], device=values.device)
    gradient = torch.where(places[None] == targets[:, None], gradient - 1, gradient)
    if bent is not None:
        gradient = gradient * (1 - bent * bent)
    if scale != 1.0:
        gradient = gradient * scale
    return loss, gradient.to(logits.dtype), right


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor]:
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        right = torch.zeros((), dtype=torch.int64, device=hidden.device)
        step = layer.step if layer.step is not None and gradient is not None else cross_entropy
        for start in range(0, len(hidden), CHUNK):
            part = hidden[start : start + CHUNK]
            found, by_logits, likeliest = step(
                functional.linear(part, layer.weight, layer.bias),
                # A copy: of a view, the compiler would look at the size of the whole, too.
                targets[start : start + CHUNK].clone(),
                layer.scale,
                layer.cap,
            )
            loss += found
            right += likeliest
            if gradient is not None:
                torch.mm(by_logits, layer.weight, out=gradient[start : start + CHUNK])
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(right)
        return loss, right

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0] * grads[0], None, None


def summed_loss(hidden: Tensor, targets: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor]:
    """The loss of ``hidden`` (places, width) against ``targets`` (places,), in nats, and how many of them are the
    likeliest token."""
    found: tuple[Tensor, Tensor] = _Loss.apply(hidden, targets, layer)  # type: ignore[no-untyped-call]
    return found


@dataclass(frozen=True)
class Told:
    """What a model makes of each place's next token; all of shape (places,)."""

    log_probs: Tensor
    """Its logarithmic probability in nats; differentiable."""
    entropy: Tensor
    """Of the distribution over all tokens, in nats."""
    mean_logits: Tensor
    is_top1: Tensor
    """Whether it is the likeliest."""


def _values(part: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor | None]:
    """Logits in float32; with a cap also tanh(logit / cap)."""
    values = functional.linear(part, layer.weight, layer.bias).float()
    if layer.scale != 1.0:
        values = values * layer.scale
    if layer.cap == 0.0:
        return values, None
    bent = torch.tanh(values / layer.cap)
    return bent * layer.cap, bent


class _LogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        told: list[list[Tensor]] = [[], [], [], []]
        for part, wanted in zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True):
            values, _ = _values(part, layer)
            target = values.gather(-1, wanted[:, None])
            logs = values - torch.logsumexp(values, -1, keepdim=True)
            told[0].append(logs.gather(-1, wanted[:, None])[:, 0])
            told[1].append(-(logs.exp() * logs).sum(-1))
            told[2].append(values.mean(-1))
            told[3].append(target[:, 0] == values.amax(-1))
        ctx.save_for_backward(hidden, targets)
        ctx.layer = layer
        first, *rest = (torch.cat(each) for each in told)
        ctx.mark_non_differentiable(*rest)
        return first, rest[0], rest[1], rest[2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        hidden, targets = ctx.saved_tensors
        layer: OutputLayer = ctx.layer
        found = []
        parts = zip(*(torch.split(each, CHUNK) for each in (hidden, targets, grads[0])), strict=True)
        for part, wanted, grad in parts:
            values, bent = _values(part, layer)
            by_logits = torch.softmax(values, -1).neg_()
            by_logits[torch.arange(len(wanted), device=wanted.device), wanted] += 1.0
            by_logits *= grad[:, None] * layer.scale
            if bent is not None:
                by_logits *= 1 - bent * bent
            found.append(torch.mm(by_logits.to(part.dtype), layer.weight))
        return torch.cat(found), None, None


def told(hidden: Tensor, targets: Tensor, layer: OutputLayer) -> Told:
    """What ``hidden`` (places, width) says of ``targets`` (places,). The logits are computed again for the gradient."""
    return Told(*_LogProbs.apply(hidden, targets, layer))  # type: ignore[no-untyped-call]
