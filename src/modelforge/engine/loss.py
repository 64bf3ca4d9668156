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


def read_logits(
    logits: Tensor, targets: Tensor, scale: float, cap: float, weights: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """What ``Told`` says of each of ``targets``, in its order; and with ``weights`` the gradient of the sum of weight ·
    log-probability, by ``logits`` before scale and cap.

    ``logits`` are (places, vocabulary), the others (places,); sums are float32.
    """
    bent = None
    values = logits.float()
    if scale != 1.0:
        values = values * scale
    if cap > 0.0:
        bent = torch.tanh(values / cap)
        values = bent * cap
    target = values.gather(-1, targets[:, None])
    likeliest = (target == values.amax(-1, keepdim=True))[:, 0]
    logs = values - torch.logsumexp(values, -1, keepdim=True)
    shares = torch.exp(logs)
    told = logs.gather(-1, targets[:, None])[:, 0], -(shares * logs).sum(-1), values.mean(-1), likeliest
    if weights is None:
        return *told, None
    places = torch.arange(values.shape[1], device=values.device)
    gradient = ((places[None] == targets[:, None]).float() - shares) * (weights[:, None] * scale)
    if bent is not None:
        gradient = gradient * (1 - bent * bent)
    return *told, gradient.to(logits.dtype)


@dataclass
class OutputLayer:
    """From a hidden state to logits: ``cap · tanh(scale · (W h + b) / cap)``; without a cap ``scale · (W h + b)``."""

    weight: Tensor
    """Of shape (vocabulary, width); frozen."""
    bias: Tensor | None = None
    scale: float = 1.0
    cap: float = 0.0
    read: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]] = read_logits
    """``read_logits``, or what says the same sooner; it may write the gradient over the logits."""

    def __call__(
        self, hidden: Tensor, targets: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """``read_logits`` of ``hidden``, (places, width)."""
        logits = functional.linear(hidden, self.weight, self.bias)
        return self.read(logits, targets, self.scale, self.cap, weights)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor]:
        gradient = torch.empty_like(hidden) if hidden.requires_grad else None
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        right = torch.zeros((), dtype=torch.int64, device=hidden.device)
        for start in range(0, len(hidden), CHUNK):
            part = hidden[start : start + CHUNK]
            weights = None if gradient is None else torch.full((len(part),), -1.0, device=hidden.device)
            log_probs, _, _, likeliest, by_logits = layer(part, targets[start : start + CHUNK], weights)
            loss -= log_probs.sum()
            right += likeliest.sum()
            if gradient is not None and by_logits is not None:
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


class _LogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, layer: OutputLayer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        parts = zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True)
        told = [layer(part, wanted)[:4] for part, wanted in parts]
        ctx.save_for_backward(hidden, targets)
        ctx.layer = layer
        first, *rest = (torch.cat(each) for each in zip(*told, strict=True))
        ctx.mark_non_differentiable(*rest)
        return first, rest[0], rest[1], rest[2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        hidden, targets = ctx.saved_tensors
        layer: OutputLayer = ctx.layer
        gradient = torch.empty_like(hidden)
        for start in range(0, len(hidden), CHUNK):
            here = slice(start, start + CHUNK)
            by_logits = layer(hidden[here], targets[here], grads[0][here].contiguous())[4]
            assert by_logits is not None
            torch.mm(by_logits, layer.weight, out=gradient[here])
        return gradient, None, None


def told(hidden: Tensor, targets: Tensor, layer: OutputLayer) -> Told:
    """What ``hidden`` (places, width) says of ``targets`` (places,). The logits are computed again for the gradient."""
    return Told(*_LogProbs.apply(hidden, targets, layer))  # type: ignore[no-untyped-call]
