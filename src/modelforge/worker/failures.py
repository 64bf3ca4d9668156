"""What an exception means to the person whose run it ended."""

from __future__ import annotations

import errno

from modelforge.contracts.job import Cause
from modelforge.errors import InvalidDataset, ModelForgeError

_HOST_MEMORY = ("can't allocate memory", "cannot allocate memory", "defaultcpuallocator", "std::bad_alloc")
_GPU_MEMORY = ("cuda out of memory", "cublas_status_alloc_failed", "mps backend out of memory", "cuda error: out of")


class NanLoss(Exception):
    """The loss is no number any more."""


def explain(error: BaseException) -> tuple[Cause, str]:
    """The typed cause, and a sentence that says what to do about it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    low = text.lower()
    if isinstance(error, InvalidDataset):
        return Cause.BAD_DATA, error.detail
    if isinstance(error, ModelForgeError):
        return Cause.ERROR, error.detail
    if isinstance(error, NanLoss):
        return Cause.NAN_LOSS, str(error)
    if "outofmemoryerror" in low or any(words in low for words in _GPU_MEMORY):
        return Cause.OOM_GPU, (
            "The GPU's memory ran out. Lower per_device_train_batch_size or max_seq_length, set gradient_checkpointing "
            f"or use_4bit, or choose a smaller model. ({_first_line(text)})"
        )
    if isinstance(error, MemoryError) or any(words in low for words in _HOST_MEMORY):
        return Cause.OOM_HOST, (
            "The machine's memory ran out. Lower per_device_train_batch_size or max_seq_length, set "
            f"gradient_checkpointing, or choose a smaller model. ({_first_line(text)})"
        )
    if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or "no space left" in low:
        return Cause.DISK_FULL, "The disk is full. Make room and resume: the last whole checkpoint is kept."
    return Cause.ERROR, _first_line(text)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:500]
