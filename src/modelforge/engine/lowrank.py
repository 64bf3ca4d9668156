"""What LoRA adds to a product with frozen weights, by the C++ of lowrank.cpp.

Products of rank 16 run at half the rate of wide ones or less, and each reads its wide activation from memory again: by
torch's operations they take an eighth to a fifth of a step (measured, benchmarks/LOG.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from modelforge.native import LOWRANK, code

WHOLE = 16
"""As in lowrank.cpp: widths are multiples of it, and ranks are filled up to such."""
_TYPES = {torch.float32: 0, torch.bfloat16: 1}


def usable(weight: Tensor, matrices: Sequence[Tensor]) -> bool:
    """Whether activations of the weight's type can meet these here: A and B of layers that read the same input."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in _TYPES
        and all(each.dtype == torch.float32 and each.is_contiguous() for each in matrices)
        and all(width % WHOLE == 0 for a, b in _pairs(matrices) for width in (a.shape[1], b.shape[0]))
        and code(LOWRANK).library is not None
    )


def add(x: Tensor, out: Tensor, matrices: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """Add B A x, times its scale, to each layer's columns of ``out``. Gives A x, as ``add_back`` asks for it.

    ``x`` is (tokens, width in), ``out`` (tokens, widths out); ``matrices`` are A and B of each layer in turn.
    """
    low = torch.empty(len(x), sum(_filled(len(a)) for a, _ in _pairs(matrices)), dtype=torch.float32)
    _run([x, out], [x.stride(0), out.stride(0), 0], low, [each.data_ptr() for each in matrices], x, matrices, scales)
    return low


def add_back(
    grad: Tensor, x: Tensor, low: Tensor, by_x: Tensor | None, matrices: Sequence[Tensor], scales: Sequence[float]
) -> list[Tensor]:
    """The gradients of ``matrices``; that of ``add``'s input is added to ``by_x``, where there is one."""
    found = [torch.empty_like(each) for each in matrices]
    addresses = [
        each.data_ptr()
        for (a, b), (by_a, by_b) in zip(_pairs(matrices), _pairs(found), strict=True)
        for each in (a, b, by_a, by_b)
    ]
    strides = [x.stride(0), grad.stride(0), 0 if by_x is None else by_x.stride(0)]
    _run([x, grad, by_x], strides, low, addresses, x, matrices, scales)
    return found


def _run(
    rows: Sequence[Tensor | None],
    strides: Sequence[int],
    low: Tensor,
    addresses: Sequence[int],
    x: Tensor,
    matrices: Sequence[Tensor],
    scales: Sequence[float],
) -> None:
    assert all(each is None or each.stride(1) == 1 for each in rows)
    places = [None if each is None else each.data_ptr() for each in rows]
    whole = [*places[:2], low.data_ptr(), *places[2:], *addresses]
    sizes = [*x.shape, *(size for a, b in _pairs(matrices) for size in (len(a), len(b)))]
    library = code(LOWRANK).library
    assert library is not None
    library.modelforge_low_rank(
        (ctypes.c_void_p * len(whole))(*whole),
        (ctypes.c_int64 * len(strides))(*strides),
        (ctypes.c_int64 * len(sizes))(*sizes),
        (ctypes.c_float * len(scales))(*scales),
        ctypes.c_int(len(scales)),
        ctypes.c_int(len(rows) == 3),
        ctypes.c_int(_TYPES[x.dtype]),
        ctypes.c_int(torch.get_num_threads()),
    )


def _pairs(matrices: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(matrices[::2], matrices[1::2], strict=True))


def _filled(rank: int) -> int:
    return -(-rank // WHOLE) * WHOLE
