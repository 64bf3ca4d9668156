"""What lies between the products of a decoder layer, and behind the last of them: norms, turns by positions, gates,
dropout, and what logits say; on a CPU by the C++ of pointwise.cpp, on a GPU by the Triton of gpu.py.

torch's operations write down every step between; a program that torch's compiler makes of a layer doesn't, and takes
longer to make than a small model to train (measured, benchmarks/LOG.md).
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor, nn

from modelforge.engine.dropout import larger, least
from modelforge.engine.families import GELU, SILU, Family, activation
from modelforge.engine.source import Kind, made
from modelforge.native import POINTWISE, Code, code, element_of

_GPU_TYPES = {torch.float32, torch.bfloat16, torch.float16}
TURN = "apply_rotary_pos_emb"
"""The function that turns queries and keys, in each of transformers' modules."""

Forward = Callable[..., Any]
Angles = tuple[Tensor, Tensor]
"""The cosines and sines of each place, both of shape (tokens, turned)."""


class Work(IntEnum):
    """As in pointwise.cpp."""

    NORM = 0
    NORM_BACK = 1
    TURN = 2
    TURN_BACK = 3
    GATE = 4
    GATE_BACK = 5
    DROP = 6
    DROP_BACK = 7


def usable(weight: Tensor) -> bool:
    """Whether layers of such weights can be computed here."""
    return fault(weight.device, weight.dtype) is None


def fault(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why nothing of the type can be computed on such a device, as the end of a sentence; None where it can."""
    none = f"there is no code for {str(dtype).removeprefix('torch.')} on this device"
    if device.type == "cpu":
        return none if element_of(dtype) is None else _code(dtype).fault
    if device.type != "cuda" or dtype not in _GPU_TYPES:
        return none
    if not importlib.util.find_spec("triton"):
        return "the package triton is not installed"
    from modelforge.engine import gpu  # noqa: PLC0415 - triton comes with torch's builds for GPUs alone

    return gpu.fault(device)


def _run(
    work: Work, rows: Sequence[Tensor], numbers: Sequence[Tensor], heads: int, more: int = 0, factor: float = 0.0
) -> None:
    """``rows`` are of shape (tokens, heads, size), their last dimension in order."""
    first = rows[0]
    if first.device.type != "cpu":
        from modelforge.engine import gpu  # noqa: PLC0415 - see ``fault``

        gpu.run(work, rows, numbers, heads, more, factor)
        return
    library = _code(first.dtype).library
    assert library is not None
    addresses = [each.data_ptr() for each in (*rows, *numbers)]
    strides = [stride for each in rows for stride in each.stride()[:2]]
    sizes = (first.shape[0], heads, first.shape[2], more)
    library.modelforge_pointwise(
        ctypes.c_int(work),
        (ctypes.c_void_p * len(addresses))(*addresses),
        (ctypes.c_int64 * len(strides))(*strides),
        (ctypes.c_int64 * len(sizes))(*sizes),
        ctypes.c_float(factor),
        ctypes.c_int(torch.get_num_threads()),
    )


def _code(dtype: torch.dtype) -> Code:
    element = element_of(dtype)
    assert element is not None
    return code(POINTWISE, element)


def _laid(x: Tensor) -> Tensor:
    """(…, size) as (tokens, heads, size) where it is (1, tokens, heads, size), else as (tokens, 1, size); a view
    wherever it can be one."""
    rows = x[0] if x.dim() == 4 and len(x) == 1 else x.reshape(-1, 1, x.shape[-1])
    return rows if rows.stride(-1) == 1 else rows.contiguous()


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        rows = _laid(x)
        out = x.new_empty(rows.shape)
        factors = x.new_empty(rows.shape[:2], dtype=torch.float32)
        _run(Work.NORM, [rows, out], [weight, factors], rows.shape[1], factor=epsilon)
        ctx.save_for_backward(x, weight, factors)
        ctx.mark_non_differentiable(factors)
        ctx.set_materialize_grads(False)  # of the factors: zeros that nobody reads
        return out.view(x.shape), factors

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        x, weight, factors = ctx.saved_tensors
        rows, wanted = _laid(x), _laid(grads[0])
        out = x.new_empty(rows.shape)
        _run(Work.NORM_BACK, [wanted, rows, out], [weight, factors], rows.shape[1])
        return out.view(x.shape), None, None


class _Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        ctx.save_for_backward(cosines, sines)
        return turn(x, (cosines, sines))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return turn_back(grads[0], ctx.saved_tensors), None, None


def turn(x: Tensor, angles: Angles) -> Tensor:
    """``x``, (tokens, heads, size), turned by the places of its tokens."""
    return _turned(Work.TURN, x, angles)


def turn_back(grad: Tensor, angles: Angles) -> Tensor:
    """The gradient of ``turn``'s input."""
    return _turned(Work.TURN_BACK, grad, angles)


def _turned(work: Work, x: Tensor, angles: Angles) -> Tensor:
    rows = x if x.stride(-1) == 1 else x.contiguous()
    out = x.new_empty(x.shape)
    _run(work, [rows, out], angles, x.shape[1], angles[0].shape[1])
    return out


def angles(cos: Tensor, sin: Tensor) -> Angles:
    """Of one row, as transformers has them: (1, tokens, turned)."""
    one, other = (each[0].contiguous() for each in (cos, sin))
    # C++ reads float32 alone.
    return (one.float(), other.float()) if cos.device.type == "cpu" else (one, other)


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, gelu: bool) -> Tensor:
        out = gate.new_empty(gate.shape)
        _run(Work.GATE, [_laid(gate), _laid(up), _laid(out)], [], 1, gelu)
        ctx.save_for_backward(gate, up)
        ctx.gelu = gelu
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        gate, up = ctx.saved_tensors
        # Side by side, as the product wants them that made both.
        both = gate.new_empty(*gate.shape[:-1], 2 * gate.shape[-1])
        by_gate, by_up = both.chunk(2, -1)
        _run(Work.GATE_BACK, [_laid(each) for each in (grads[0], gate, up, by_gate, by_up)], [], 1, ctx.gelu)
        return by_gate, by_up, None


def drop(x: Tensor, seed: Tensor, share: float) -> Tensor:
    """``x``, (tokens, size), with a ``share`` of its elements made 0 and the others as much larger; which ones, says
    ``seed``, of shape (1,) and int64."""
    rows = _laid(x)
    out = x.new_empty(rows.shape)
    _run(Work.DROP, [rows, out], [seed], 1, least(share), larger(share))
    return out.view(x.shape)


def drop_back(grad: Tensor, seed: Tensor, share: float, by_x: Tensor) -> None:
    """Add the gradient of ``drop``'s input to ``by_x``."""
    _run(Work.DROP_BACK, [_laid(grad), _laid(by_x)], [seed], 1, least(share), larger(share))


def read_logits(
    logits: Tensor, targets: Tensor, scale: float, cap: float, weights: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """As ``loss.read_logits``; the logits themselves become the gradient."""
    assert logits.is_contiguous() and targets.is_contiguous()
    said = logits.new_empty(len(logits), 4, dtype=torch.float32)
    if logits.device.type == "cpu":
        _read_logits(logits, targets, said, scale, cap, weights)
    else:
        from modelforge.engine import gpu  # noqa: PLC0415 - see ``fault``

        gpu.read_logits(logits, targets, said, scale, cap, weights)
    log_probs, entropy, mean, likeliest = said.unbind(-1)
    return log_probs, entropy, mean, likeliest.bool(), None if weights is None else logits


def _read_logits(
    logits: Tensor, targets: Tensor, said: Tensor, scale: float, cap: float, weights: Tensor | None
) -> None:
    library = _code(logits.dtype).library
    assert library is not None
    library.modelforge_logits(
        ctypes.c_void_p(logits.data_ptr()),
        ctypes.c_void_p(targets.data_ptr()),
        ctypes.c_void_p(None if weights is None else weights.data_ptr()),
        ctypes.c_void_p(said.data_ptr()),
        ctypes.c_int64(logits.shape[0]),
        ctypes.c_int64(logits.shape[1]),
        ctypes.c_float(scale),
        ctypes.c_float(cap),
        ctypes.c_int(torch.get_num_threads()),
    )


def forwards(backbone: Any, layers: Sequence[nn.Module], family: Family) -> list[tuple[nn.Module, Forward]]:
    """The norms and feed-forward parts that this covers, with what they do instead of their own forward pass."""
    norms = [
        (module, _norm(module, family.one_more))
        for module in backbone.modules()
        if type(module).__name__.endswith("RMSNorm") and not module.weight.requires_grad
    ]
    kind = activation(backbone.config)
    if kind not in SILU | GELU:
        return norms
    form = _fused_mlp if ("mlp.gate_up_proj",) in family.projections else _mlp
    return norms + [(mlp, form(mlp, kind in GELU)) for mlp in (layer.get_submodule("mlp") for layer in layers)]


def _norm(module: Any, one_more: bool) -> Forward:
    weight = module.weight.detach().float() + float(one_more)
    epsilon = module.eps if hasattr(module, "eps") else module.variance_epsilon

    def forward(x: Tensor) -> Any:
        out, factors = _Norm.apply(x, weight, epsilon)  # type: ignore[no-untyped-call]
        return made(out, Kind.NORMED, x, weight, factors)

    return forward


def _mlp(mlp: Any, gelu: bool) -> Forward:
    def forward(x: Tensor) -> Any:
        return mlp.down_proj(_gated(mlp.gate_proj(x), mlp.up_proj(x), gelu))

    return forward


def _fused_mlp(mlp: Any, gelu: bool) -> Forward:
    def forward(x: Tensor) -> Any:
        gate, up = mlp.gate_up_proj(x).chunk(2, -1)
        return mlp.down_proj(_gated(gate, up, gelu))

    return forward


def _gated(gate: Tensor, up: Tensor, gelu: bool) -> Tensor:
    out = _Gate.apply(gate, up, gelu)  # type: ignore[no-untyped-call]
    return made(out, Kind.BY_GELU if gelu else Kind.BY_SILU, gate, up)


def turning(own: Forward) -> Forward:
    """What stands for transformers' own ``TURN``, which several rows are left to."""

    def apply_rotary_pos_emb(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *rest: Any, **more: Any) -> Any:
        if len(query) > 1 or rest or more:
            return own(query, key, cos, sin, *rest, **more)
        by = angles(cos, sin)
        return tuple(
            _Turn.apply(rows.squeeze(0).transpose(0, 1), *by).transpose(0, 1)[None]  # type: ignore[no-untyped-call]
            for rows in (query, key)
        )

    return apply_rotary_pos_emb
