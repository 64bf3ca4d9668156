"""The attention of attention.cpp, compiled for the processor that it runs on.

It takes half the time that torch's own operations need for the same: those write down the scores of every head, gather
documents of one length and put them back, and compute what the future hides (measured, benchmarks/LOG.md).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from modelforge.engine.pointwise import Angles
from modelforge.native import ATTENTION, code, element_of


def usable(key: Tensor, lengths: Tensor) -> bool:
    """Whether attention over such documents is to be computed here: a task is a document and a head of keys, and with
    fewer of them than threads, torch's flash attention, which cuts long documents, has more at work."""
    tasks = len(lengths) * key.shape[1]
    return tasks >= torch.get_num_threads() and _library(key) is not None


def attend(
    rows: Sequence[Tensor],
    sums: Tensor,
    lengths: Tensor,
    scale: float,
    window: int,
    cap: float,
    angles: Angles | None,
    *,
    backward: bool,
) -> None:
    """``attention.attend``, or its gradients, into tensors that are there already.

    ``rows`` are query, key, value and out; or grad, query, key, value, out, and the gradients of query, key and value.
    In those that are written, the elements of a head lie in order. ``angles`` are float32, as ``torch.empty`` makes
    them.
    """
    library = _library(rows[0])
    assert library is not None
    laid = [each if each.stride(-1) == 1 else each.contiguous() for each in rows]
    query, key = laid[1:3] if backward else laid[:2]
    turned = angles[0].shape[1] if angles else 0
    sizes = (len(lengths), query.shape[1], key.shape[1], query.shape[2], window, query.shape[0], turned)
    strides = [stride for each in laid for stride in each.stride()[:2]]
    addresses = [each.data_ptr() for each in (*laid, sums)]
    library.modelforge_attention(
        (ctypes.c_void_p * len(addresses))(*addresses),
        (ctypes.c_int64 * len(strides))(*strides),
        ctypes.c_void_p(lengths.data_ptr()),
        *(ctypes.c_void_p(angles[at].data_ptr() if angles else None) for at in (0, 1)),
        (ctypes.c_int64 * len(sizes))(*sizes),
        ctypes.c_float(scale),
        ctypes.c_float(cap),
        ctypes.c_int(backward),
        ctypes.c_int(torch.get_num_threads()),
    )


def _library(rows: Tensor) -> ctypes.CDLL | None:
    element = element_of(rows.dtype)
    return None if element is None else code(ATTENTION, element).library
