"""What an exception means to the person whose run it ended."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from modelforge import reserve
from modelforge.contracts.job import Cause
from modelforge.errors import InvalidDataset, ModelForgeError
from modelforge.files import is_disk_full

_HOST_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "defaultcpuallocator",
    "std::bad_alloc",
    "memoryerror",
)
_ONEDNN = re.compile(r"could not create a primitive(?! descriptor)")
"""What oneDNN, which computes in bfloat16 on a CPU, says where memory ran out; of one that it cannot make it says
"primitive descriptor"."""
_TORCH_SAVE = "inline_container.cc"
FULL_BYTES = 2 * reserve.BYTES
"""A disk with less free space than this counts as full: also when a run has given its reserve back."""
_GPU_MEMORY = (
    "outofmemoryerror",
    "cuda out of memory",
    "cublas_status_alloc_failed",
    "mps backend out of memory",
    "cuda error: out of",
)

LESS = (
    "Lower per_device_train_batch_size or max_seq_length, set gradient_checkpointing, choose a smaller model, or close "
    "other programs."
)


def memory_cause(text: str) -> Cause | None:
    """Whose memory ran out by what Python or a library says; None where it says something else."""
    low = text.lower()
    if any(words in low for words in _GPU_MEMORY):
        return Cause.OOM_GPU
    return Cause.OOM_HOST if any(words in low for words in _HOST_MEMORY) or _ONEDNN.search(low) else None


class NanLoss(Exception):
    """The loss, or what is trained, is no number any more; what exactly, and since when, is the message."""

    def __str__(self) -> str:
        return (
            f"{super().__str__()} The last good checkpoint is kept. Start anew with a lower learning_rate, a higher "
            "warmup_ratio, or in bf16 or float32: from the checkpoint the same may happen again."
        )


def explain(error: BaseException, folder: Path) -> tuple[Cause, str]:
    """The typed cause, and a sentence that says what to do about it; ``folder`` is the run's."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, InvalidDataset):
        return Cause.BAD_DATA, error.detail
    if isinstance(error, ModelForgeError):
        return Cause.ERROR, error.detail
    if isinstance(error, NanLoss):
        return Cause.NAN_LOSS, str(error)
    short = Cause.OOM_HOST if isinstance(error, MemoryError) else memory_cause(text)
    if short == Cause.OOM_GPU:
        return short, (
            "The GPU's memory ran out. Lower per_device_train_batch_size or max_seq_length, set gradient_checkpointing "
            f"or use_4bit, or choose a smaller model. ({_first_line(text)})"
        )
    if short == Cause.OOM_HOST:
        return short, f"The machine's memory ran out. {LESS} ({_first_line(text)})"
    if _no_room(error, text, folder):
        return Cause.DISK_FULL, no_room(folder)
    return Cause.ERROR, _first_line(text)


def no_room(folder: Path) -> str:
    """What to do where a run's disk is full, ``folder`` being the run's."""
    return (
        f"The disk is full: there is no room to write on below {folder}, or where models are kept. Make room and "
        "resume: the last whole checkpoint is kept."
    )


def is_full(folder: Path) -> bool:
    """Whether the folder's disk has next to no room."""
    return shutil.disk_usage(folder).free < FULL_BYTES


def _no_room(error: BaseException, text: str, folder: Path) -> bool:
    low = text.lower()
    if is_disk_full(error) or "no space left" in low:
        return True
    # What torch.save says of any write that fails; why, it does not say.
    return _TORCH_SAVE in low and is_full(folder)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:500]
