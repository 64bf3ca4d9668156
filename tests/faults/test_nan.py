"""A loss that becomes no number ends the run at that step, and the checkpoints before it are good."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from modelforge.worker import checkpoints
from tests.faults.test_life import start
from tests.live import LiveServer

WILD: dict[str, Any] = {
    "learning_rate": 1.0, "optim": "sgd", "lr_scheduler_type": "constant", "warmup_steps": 0, "max_grad_norm": 1e6,
    "lora_r": 1, "lora_alpha": 4096, "save_steps": 1, "logging_steps": 1000, "eval_steps": 1000,
}  # fmt: skip


@pytest.mark.parametrize("packing", [None, False], ids=["engine", "padded"])
def test_it_ends_at_the_step(server: LiveServer, tiny_model: Path, packing: bool | None) -> None:
    job = server.wait(start(server, tiny_model, packing=packing, **WILD))
    assert (job["status"], job["cause"]) == ("failed", "nan_loss"), (job["error"], job["log_tail"])
    said = r"The (loss became (nan|-?inf)|weights of \S+ are no numbers any more) at step (\d+)\."
    found = re.match(said, job["error"])
    assert found is not None, job["error"]
    assert "lower learning_rate" in job["error"]
    step = int(found[3])
    # Not when the loss would be logged next.
    assert 1 < step < 200
    saved = server.home / "runs" / job["id"] / "checkpoints"
    newest, left_out = checkpoints.latest_valid(saved)
    assert newest is not None and left_out == []
    assert checkpoints.manifest_of(newest)["step"] in (step - 1, step - 2)
    trained = load_file(newest / "trained.safetensors")
    assert trained and all(np.isfinite(tensor).all() for tensor in trained.values())
