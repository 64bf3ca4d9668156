"""Configuration files: YAML's traps, resolved specs, and paths."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.cli.configfile import absolute_paths, read_config
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest


def written(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_means_what_its_writer_meant(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "task: text-generation\nmodel_name: no\ndataset: 2024-01-15\nlearning_rate: 2e-4\nweight_decay: 1E-3\n"
        "lora_dropout: .1\nnum_train_epochs: 010\nseed: 0x10\nname: 1:30\nbf16: true\nwarmup_steps: null\n"
        "target_modules: [q_proj, v_proj]\n",
    )
    values = read_config(path)
    assert values == {
        "task": "text-generation",
        "model_name": "no",
        "dataset": "2024-01-15",
        "learning_rate": 2e-4,
        "weight_decay": 1e-3,
        "lora_dropout": 0.1,
        "num_train_epochs": 10,
        "seed": 16,
        "name": "1:30",
        "bf16": True,
        "warmup_steps": None,
        "target_modules": ["q_proj", "v_proj"],
    }
    assert TrainingConfig.model_validate({**values, "name": "x"}).learning_rate == 2e-4


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_every_way_in_which_python_writes_a_number_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, value: float
) -> None:
    for text in (repr(value), f"{value:e}", f"{value:+.3E}"):
        path = written(tmp_path_factory.getbasetemp(), f"learning_rate: {text}\n")
        read = read_config(path)["learning_rate"]
        assert isinstance(read, int | float) and math.isclose(read, float(text), rel_tol=1e-15)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "task: a\ntask: b\n", "'task' stands there twice"),
        ("a.json", '{"task": "a", "task": "b"}', "'task' stands there twice"),
        ("a.json", '{"learning_rate": NaN}', "NaN is not a number"),
        ("a.json", '{"task": ', "line 1 column"),
        ("a.yaml", "task: [a\n", "line 2"),
        ("a.yaml", "- task\n", "holds no fields"),
        ("a.yaml", "", "holds no fields"),
        ("a.yaml", "task: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("spec.json", '{"schema_version": 99, "config": {}}', "schema version 99"),
        ("spec.json", '{"schema_version": 1}', "no 'config'"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said.replace("[", r"\[")) as refusal:
        read_config(written(tmp_path, text, name))
    assert name in refusal.value.detail


def test_of_a_resolved_spec_the_configuration_is_taken_without_the_name(tmp_path: Path) -> None:
    config = {"task": "text-generation", "model_name": "m", "dataset": "d.jsonl", "learning_rate": 0.0002}
    spec = {"schema_version": 1, "job_id": "train_1", "config": {**config, "name": "taken", "warmup_steps": None}}
    assert read_config(written(tmp_path, json.dumps(spec), "spec.json")) == config


def test_what_lies_here_is_sent_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "{}", "rows.jsonl")
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text("{}")
    (tmp_path / "modelforge-starter").mkdir()
    found = absolute_paths({"dataset": "rows.jsonl", "model_name": "llama", "seed": 1})
    assert found == {"dataset": str(tmp_path / "rows.jsonl"), "model_name": str(tmp_path / "llama"), "seed": 1}
    other = {"dataset": "uploaded.jsonl", "model_name": "modelforge-starter"}
    assert absolute_paths(other) == other
    odd = {"dataset": "x" * 5000, "model_name": "\0"}
    assert absolute_paths(odd) == odd
    assert absolute_paths({"dataset": 3}) == {"dataset": 3}
