"""What ended a run, told from what was raised."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from modelforge.errors import InvalidDataset, InvalidRequest
from modelforge.worker.failures import NanLoss, explain

TORCH_SAVE = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (InvalidDataset("line 3"), "bad_data", "line 3"),
        (InvalidRequest("lora_r: no"), "error", "lora_r: no"),
        (NanLoss("The loss became nan at step 7."), "nan_loss", "step 7. The last good checkpoint is kept"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "oom_gpu", "GPU's memory ran out"),
        (MemoryError(), "oom_host", "machine's memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "oom_host", "Lower per_device_train"),
        (RuntimeError("could not create a primitive"), "oom_host", "Lower per_device_train"),
        (RuntimeError("could not create a primitive descriptor for a matmul"), "error", "descriptor"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom_host", "machine's memory ran out"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full", "Make room and resume"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full", "Make room and resume"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk_full", "Make room and resume"),
        (TORCH_SAVE, "error", "inline_container"),  # on a disk with room, it is something else
        (KeyError("x"), "error", "KeyError"),
    ],
)
def test_the_cause_and_what_to_do(tmp_path: Path, error: Exception, cause: str, words: str) -> None:
    found, text = explain(error, tmp_path)
    assert found == cause and words in text
