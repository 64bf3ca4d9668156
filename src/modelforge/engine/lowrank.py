"""What LoRA adds to a product with frozen weights, by the C++ of lowrank.cpp.

Products of rank 16 run at half the rate of wide ones or less, and each reads its wide activation from memory again: by
torch's operations they take an eighth to a fifth of a step (measured, benchmarks/LOG.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from modelforge.engine.dropout import drawn, larger, least
from modelforge.engine.source import Kind, Source
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


Kept = tuple[Tensor | None, ...]
"""What lies in memory from a pass to its gradient."""


class LowRank:
    """What the adapters of layers that read the same input add; ``matrices`` are A and B of each layer in turn."""

    def __init__(self, dtype: torch.dtype, matrices: Sequence[Tensor], scales: Sequence[float]) -> None:
        """Only for what is ``usable``; ``dtype`` is that of activations, ``scales`` are the layers'."""
        element = element_of(dtype)
        assert element is not None
        library = code(LOWRANK, element).library
        assert library is not None
        self._dtype = dtype
        # There are hundreds of calls in a step: what they have in common is made once.
        self._function = library.modelforge_low_rank
        ranks = [a.shape[0] for a, _ in _pairs(matrices)]
        self._ranks = sum(-(-rank // WHOLE) * WHOLE for rank in ranks)
        sizes = [matrices[0].shape[1], *(size for a, b in _pairs(matrices) for size in (a.shape[0], b.shape[0]))]
        self._sizes = (ctypes.c_int64 * len(sizes))(*sizes)
        self._scales = (ctypes.c_float * len(scales))(*scales)
        self._layers = len(scales)

    def add(self, x: Tensor, share: float, out: Tensor, matrices: Sequence[Tensor], source: Source) -> Kept:
        """Add B A x, times its scale, to each layer's columns of ``out``; of x a ``share`` is dropped.

        ``x`` is (tokens, width in), ``out`` (tokens, widths out). Gives what ``add_back`` asks for: ``source``, which x
        was made of, is among it, and x is not.
        """
        assert all(each.dtype == torch.float32 and each.is_contiguous() for each in matrices)
        seed = drawn() if share else None
        low = torch.empty(x.shape[0], self._ranks, dtype=torch.float32)
        self._run(Source(Kind.PLAIN, (x,)), share, seed, out, low, None, matrices, back=False)
        return low, seed, *source.tensors

    def add_back(
        self,
        grad: Tensor,
        kept: Kept,
        share: float,
        by_x: Tensor | None,
        matrices: Sequence[Tensor],
        kind: Kind,
    ) -> list[Tensor]:
        """The gradients of ``matrices``; that of ``add``'s input is added to ``by_x``, where there is one."""
        low, seed, *tensors = kept
        assert low is not None
        source = Source(kind, tuple(each for each in tensors if each is not None))
        grad = grad if grad.stride(1) == 1 else grad.contiguous()
        found = [torch.empty_like(each) for each in matrices]
        self._run(source, share, seed, grad, low, by_x, [*matrices, *found], back=True)
        return found

    def _run(
        self,
        source: Source,
        share: float,
        seed: Tensor | None,
        out: Tensor,
        low: Tensor,
        by_x: Tensor | None,
        matrices: Sequence[Tensor],
        *,
        back: bool,
    ) -> None:
        x, second, third = (*(_rows(each) for each in source.tensors), None, None)[:3]
        assert x is not None and x.dtype == out.dtype == self._dtype
        assert x.shape == (len(out), self._sizes[0])
        read = (x, second, third, seed, out, low, by_x)
        assert all(each is None or each.stride(-1) == 1 for each in read)
        strides = [0 if each is None else each.stride(0) for each in (x, second, out, by_x)]
        given = (*read, *matrices)
        self._function(
            (ctypes.c_void_p * len(given))(*(None if each is None else each.data_ptr() for each in given)),
            (ctypes.c_int64 * len(strides))(*strides),
            ctypes.c_int64(x.shape[0]),
            self._sizes,
            self._scales,
            ctypes.c_int(self._layers),
            ctypes.c_int(source.kind),
            ctypes.c_int(least(share)),
            ctypes.c_float(larger(share)),
            ctypes.c_int(back),
            ctypes.c_int(torch.get_num_threads()),
        )


def _rows(x: Tensor) -> Tensor:
    rows = x if x.dim() < 3 else x.reshape(-1, x.shape[-1])
    return rows if rows.stride(-1) == 1 else rows.contiguous()


def _pairs(matrices: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(matrices[::2], matrices[1::2], strict=True))
