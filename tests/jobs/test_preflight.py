"""Defaults come from the machine where the request says nothing; what the machine cannot do is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import JobState
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict, InvalidRequest, NotFound
from modelforge.hardware import Gpu, Hardware
from modelforge.jobs import origin, preflight
from modelforge.jobs.probing import Probe
from modelforge.lease import DeviceLease
from modelforge.settings import load_settings
from modelforge.store.database import Database
from modelforge.store.tables import JobRow
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS


def machine(device: str = "cpu", gpu_gb: float = 0, capability: float = 8.0, **fields: Any) -> Hardware:
    gpus = [Gpu(name="GPU", memory_gb=gpu_gb, compute_capability=capability)] if gpu_gb else []
    found = {"fast_bf16": capability >= 8 and device == "cuda", "compute_specs": "low_end", **fields}
    return Hardware(system="Test", cpu_count=2, memory_gb=32, gpus=gpus, device=device, **found)  # type: ignore[arg-type]


def filled(hardware: Hardware, **fields: Any) -> TrainingConfig:
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", **fields)
    return preflight.fill_defaults(config, TASKS.get(config.task), STRATEGIES.get(config.strategy), hardware)


@pytest.mark.parametrize("specs", preflight.COMPUTE_SPECS)
def test_every_class_of_machine_learns_from_four_examples_a_step(specs: str) -> None:
    for config in (filled(machine(), compute_specs=specs), filled(machine(compute_specs=specs))):
        assert config.compute_specs == specs
        assert config.per_device_train_batch_size is not None and config.gradient_accumulation_steps is not None
        assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 4


def test_the_contracts_defaults() -> None:
    config = filled(machine())
    assert (config.lora_r, config.lora_alpha, config.lora_dropout, config.learning_rate) == (16, 32, 0.1, 2e-4)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (1, 4)
    assert (config.use_4bit, config.use_8bit, config.fp16, config.bf16) == (False, False, False, False)
    assert config.bnb_4bit_compute_dtype == "float32" and config.optim == "adamw_torch_fused"
    assert (config.num_train_epochs, config.max_steps, config.max_grad_norm) == (1, -1, 0.3)
    assert (config.weight_decay, config.lr_scheduler_type, config.warmup_ratio) == (0.001, "cosine", 0.03)
    assert (config.group_by_length, config.eval_split, config.seed, config.use_lora) == (True, 0.2, 42, True)


def test_the_request_wins() -> None:
    asked = {"lora_dropout": 0.0, "learning_rate": 1e-3, "per_device_train_batch_size": 7, "bf16": True, "optim": "sgd"}
    config = filled(machine(compute_specs="high_end"), **asked)
    assert {name: getattr(config, name) for name in asked} == asked
    assert config.gradient_accumulation_steps == 1


@pytest.mark.parametrize(
    ("hardware", "bf16", "fp16"),
    [
        (machine("cuda", 24), True, False),
        (machine("cuda", 16, capability=7.5), False, True),
        (machine(fast_bf16=True), True, False),
        (machine(), False, False),
        (machine("mps", 16, fast_bf16=False), False, False),
    ],
)
def test_precision_follows_the_hardware(hardware: Hardware, bf16: bool, fp16: bool) -> None:
    config = filled(hardware)
    assert (config.bf16, config.fp16) == (bf16, fp16)
    preflight.check_precision(config, hardware)


@pytest.mark.parametrize(
    ("hardware", "fields", "said"),
    [
        (machine(), {"fp16": True}, "needs an NVIDIA GPU"),
        (machine("cuda", 16, capability=7.5), {"bf16": True}, "set fp16 instead"),
        (machine("mps", 16), {"use_4bit": True}, "Apple's GPU"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(hardware: Hardware, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        preflight.check_precision(filled(hardware, **fields), hardware)


def test_data_roots_hold(tmp_path: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    allowed.mkdir()
    secret.mkdir()
    (allowed / "link").symlink_to(secret)
    (allowed / "loop").symlink_to(allowed / "loop")
    (allowed / "inner").symlink_to(allowed / "data.jsonl")
    assert origin.check_root(allowed / "inner", [allowed], "dataset") == allowed / "data.jsonl"
    assert origin.check_root(allowed / "loop", [allowed], "dataset") == allowed / "loop"
    for outside in (secret, allowed / ".." / "secret", allowed / "link" / "x", tmp_path / "allowed2", Path("/")):
        with pytest.raises(InvalidRequest, match="MODELFORGE_DATA_ROOTS"):
            origin.check_root(outside, [allowed], "dataset")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("x" * 300, InvalidRequest),
        ("a\0b", InvalidRequest),
        ("~nosuchuser/x", NotFound),
        ("/" + "y" * 300, InvalidRequest),
    ],
)
def test_names_that_no_file_can_have(tmp_path: Path, tiny_model: Path, text: str, refusal: type[Exception]) -> None:
    settings = load_settings(home=tmp_path)
    database = Database(tmp_path / "test.db")
    probe = Probe(settings, DeviceLease("cpu"))
    for field, names in (("model_name", (text, "d")), ("dataset", (str(tiny_model), text))):
        config = TrainingConfig(task="text-generation", model_name=names[0], dataset=names[1])
        with pytest.raises(refusal, match=f"^{field}: "):
            asyncio.run(preflight.check(config, settings, database, machine(), probe, [Path("/")], tmp_path / "rows"))


def test_a_saved_model_that_nobody_registered_blocks_no_name(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    settings.make_folders()
    database = Database(settings.database)
    folder = settings.models / "mine"
    folder.mkdir()
    with pytest.raises(Conflict, match="'mine' exists already"):  # somebody's own folder
        preflight.check_name_free("mine", settings, database)
    (folder / "spec.json").write_text(json.dumps({"job_id": "train_1"}))
    preflight.check_name_free("mine", settings, database)
    with database.session() as session:
        row = JobRow(
            id="train_1", name="other", status=JobState.SAVING, task="t", strategy="s", provider="p", model_name="m",
            dataset="d", config={}, token="t", created_at=now(),
        )  # fmt: skip
        session.add(row)
    with pytest.raises(Conflict, match="'mine' exists already"):
        preflight.check_name_free("mine", settings, database)
