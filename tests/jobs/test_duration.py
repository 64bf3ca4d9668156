"""How long a run is said to be, against what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.job import DatasetRef, MixRef
from modelforge.contracts.preflight import RunLength
from modelforge.contracts.training import TrainingConfig
from modelforge.jobs.data import Data
from modelforge.jobs.duration import length_of, time_of
from modelforge.settings import load_settings
from modelforge.store.database import Database
from tests.jobs.test_options import machine
from tests.live import LiveServer


def asked(model: Path, **fields: Any) -> dict[str, Any]:
    return {
        "task": "text-generation", "model_name": str(model), "dataset": "rows.jsonl", "max_seq_length": 64,
        "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "num_train_epochs": 4, **fields,
    }  # fmt: skip


def test_a_run_says_how_long_the_next_one_takes(server: LiveServer, tiny_model: Path) -> None:
    before = server.post("/api/preflight", asked(tiny_model))
    assert before["time"]["based_on"] == "arithmetic"
    job = server.wait(server.post("/api/start_training", asked(tiny_model))["job_id"])
    assert job["status"] == "completed"
    assert abs(job["total_steps"] - before["length"]["optimizer_steps"]) <= 4  # which rows are held out is drawn
    after = server.post("/api/preflight", asked(tiny_model))
    time = after["time"]
    assert (time["based_on"], time["runs"]) == ("earlier_runs", 1)
    assert time["low"] <= job["metrics"]["train_seconds"] <= time["high"]
    assert time["tokens"] == pytest.approx(job["metrics"]["train_tokens"], rel=0.2)
    twice = server.post("/api/preflight", asked(tiny_model, num_train_epochs=8))
    assert twice["time"]["seconds"] == pytest.approx(2 * time["seconds"], abs=0.2)  # each is rounded to tenths
    other = server.post("/api/preflight", asked(tiny_model, use_lora=False))
    assert other["time"]["based_on"] == "arithmetic"
    large = server.post("/api/preflight", asked(Path("modelforge-starter")))
    assert large["time"]["based_on"] == "arithmetic"


def config(**fields: Any) -> TrainingConfig:
    given = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    return TrainingConfig(task="text-generation", model_name="m", dataset="d", **{**given, **fields})


def ref(rows: int, path: Path = Path("d")) -> DatasetRef:
    return DatasetRef(name="d", path=str(path), sha256="", num_examples=rows, shape="input_output")


def test_steps_and_examples() -> None:
    mixed = MixRef(**ref(1000).model_dump(), weight=0.5)
    assert length_of(config(), Data(ref(100), [], None)) == RunLength(
        optimizer_steps=20, examples_per_step=4, examples_per_epoch=80, held_out=20
    )
    assert length_of(config(eval_split=0.001), Data(ref(10), [], None)).held_out == 1
    assert length_of(config(eval_split=0.999), Data(ref(10), [], None)).examples_per_epoch == 1
    assert length_of(config(), Data(ref(100), [mixed], None)) == RunLength(
        optimizer_steps=30, examples_per_step=4, examples_per_epoch=120, held_out=30
    )
    measured = length_of(config(eval_split=0.0, max_steps=7), Data(ref(100), [], ref(33)))
    assert (measured.optimizer_steps, measured.examples_per_epoch, measured.held_out) == (7, 100, 33)


def test_the_arithmetic_grows_with_what_there_is_to_do(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    settings.make_folders()
    database = Database(settings.database)
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"x" * 40_000)

    def seconds(parameters: int = 1_000_000_000, **fields: Any) -> float:
        made, data = config(**{"eval_split": 0.0, **fields}), Data(ref(100, file), [], None)
        found = time_of(made, data, length_of(made, data), parameters, machine(), settings, database)
        assert found is not None and found.low < found.seconds < found.high
        return found.seconds

    once = seconds()
    assert seconds(num_train_epochs=3) == pytest.approx(3 * once, rel=0.1)
    assert seconds(parameters=5_000_000_000) == pytest.approx(5 * once, rel=0.1)
    assert seconds(max_seq_length=10) == pytest.approx(once / 10, rel=0.3)
    assert seconds(use_lora=False) == pytest.approx(1.5 * once, rel=0.1)
    assert seconds(gradient_checkpointing=True) == pytest.approx(1.5 * once, rel=0.1)
    made, data = config(strategy="rlhf"), Data(ref(100, file), [], None)
    assert time_of(made, data, length_of(made, data), 1, machine(), settings, database) is None
