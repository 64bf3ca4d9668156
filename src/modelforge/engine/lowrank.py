"""What LoRA adds to a product with frozen weights, by the C++ of lowrank.cpp.

Products of rank 16 run at half the rate of wide ones or less, and each reads its wide activation from memory again: by
torch's operations they take an eighth to a fifth of a step (measured, benchmarks/LOG.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from modelforge.native import LOWRANK, code, element_of

WHOLE = 16
"""As in products.h: widths are multiples of it, and ranks are filled up to such."""


def usable(weight: Tensor, matrices: Sequence[Tensor]) -> bool:
    """Whether activations of the weight's type can meet these here: A and B of layers that read the same input."""
    element = element_of(weight.dtype)
    return (
        weight.device.type == "cpu"
        and element is not None
        and all(each.dtype == torch.float32 and each.is_contiguous() for each in matrices)
        and all(width % WHOLE == 0 for a, b in _pairs(matrices) for width in (a.shape[1], b.shape[0]))
        and code(LOWRANK, element).library is not None
    )


class LowRank:
    """What the adapters of layers that read the same input add; ``matrices`` are A and B of each layer in turn."""

    def __init__(self, dtype: torch.dtype, matrices: Sequence[Tensor], scales: Sequence[float]) -> None:
        """Only for what is ``usable``; ``dtype`` is that of activations, ``scales`` are the layers'."""
        element = element_of(dtype)
        assert element is not None
        library = code(LOWRANK, element).library
        assert library is not None
        # There are hundreds of calls in a step: what they have in common is made once.
        self._function = library.modelforge_low_rank
        ranks = [a.shape[0] for a, _ in _pairs(matrices)]
        self._ranks = sum(-(-rank // WHOLE) * WHOLE for rank in ranks)
        sizes = [matrices[0].shape[1], *(size for a, b in _pairs(matrices) for size in (a.shape[0], b.shape[0]))]
        self._sizes = (ctypes.c_int64 * len(sizes))(*sizes)
        self._scales = (ctypes.c_float * len(scales))(*scales)
        self._layers = len(scales)

    def add(self, x: Tensor, out: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """Add B A x, times its scale, to each layer's columns of ``out``. Gives A x, as ``add_back`` asks for it.

        ``x`` is (tokens, width in), ``out`` (tokens, widths out).
        """
        tokens = x.shape[0]
        low = torch.empty(tokens, self._ranks, dtype=torch.float32)
        assert all(each.dtype == torch.float32 and each.is_contiguous() for each in matrices)
        self._run(x, out, low, None, [each.data_ptr() for each in matrices], back=False)
        return low

    def add_back(
        self, grad: Tensor, x: Tensor, low: Tensor, by_x: Tensor | None, matrices: Sequence[Tensor]
    ) -> list[Tensor]:
        """The gradients of ``matrices``; that of ``add``'s input is added to ``by_x``, where there is one."""
        grad = grad if grad.stride(1) == 1 else grad.contiguous()
        found = [torch.empty_like(each) for each in matrices]
        self._run(x, grad, low, by_x, [each.data_ptr() for each in (*matrices, *found)], back=True)
        return found

    def _run(
        self, x: Tensor, out: Tensor, low: Tensor, by_x: Tensor | None, matrices: Sequence[int], *, back: bool
    ) -> None:
        places = [x.data_ptr(), out.data_ptr(), low.data_ptr(), 0 if by_x is None else by_x.data_ptr(), *matrices]
        strides = (x.stride(0), out.stride(0), 0 if by_x is None else by_x.stride(0))
        assert x.stride(1) == out.stride(1) == 1 and x.dtype == out.dtype
        self._function(
            (ctypes.c_void_p * len(places))(*places),
            (ctypes.c_int64 * 3)(*strides),
            ctypes.c_int64(x.shape[0]),
            self._sizes,
            self._scales,
            ctypes.c_int(self._layers),
            ctypes.c_int(back),
            ctypes.c_int(torch.get_num_threads()),
        )


def _pairs(matrices: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(matrices[::2], matrices[1::2], strict=True))
