"""A loss that becomes no number ends the run at that step, and the checkpoints before it are good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from modelforge.worker import checkpoints
from modelforge.worker.order import EpochOrder
from tests.faults.harm import start
from tests.live import LiveServer, jsonl, rows

STEP = 6
SEED = 42


@pytest.fixture(scope="module")
def broken_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that computes nothing of a text with a § in it, as after a bad conversion."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("broken") / "broken-llama"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    config = LlamaConfig.from_pretrained(tiny_model, tie_word_embeddings=False)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer("§", add_special_tokens=False)["input_ids"][-1]] = float("inf")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.fault("loss is no number")
@pytest.mark.parametrize("packing", [None, False], ids=["engine", "padded"])
def test_it_ends_at_the_step(server: LiveServer, broken_model: Path, packing: bool | None, tmp_path: Path) -> None:
    data = rows(40)
    row = list(EpochOrder([1] * len(data), 4, SEED, group_by_length=False))[4 * (STEP - 1)]
    data[row]["input"] += " §"
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(data))
    job_id = start(
        server, broken_model, dataset=str(path), packing=packing, seed=SEED, eval_split=0, group_by_length=False,
        save_steps=1, logging_steps=1000, num_train_epochs=2,
    )  # fmt: skip
    job = server.wait(job_id)
    assert (job["status"], job["cause"]) == ("failed", "nan_loss"), (job["error"], job["log_tail"])
    # At the step, not when the loss would be told next.
    assert job["error"].startswith(f"The loss became nan at step {STEP}.")
    assert "lower learning_rate" in job["error"]
    saved = server.home / "runs" / job_id / "checkpoints"
    newest, left_out = checkpoints.latest_valid(saved)
    assert newest is not None and left_out == []
    assert checkpoints.manifest_of(newest)["step"] == STEP - 1
    trained = load_file(newest / "trained.safetensors")
    assert trained and all(np.isfinite(tensor).all() for tensor in trained.values())
