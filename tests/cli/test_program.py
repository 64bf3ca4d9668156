"""The program as a process: its help, its exit codes, and what it does not load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import modelforge as package
from modelforge.cli.flags import flag_of
from modelforge.cli.help import WIDE
from modelforge.contracts.training import GROUPS, TrainingConfig
from modelforge.settings import NO_FLAG, Settings
from tests.cli.program import modelforge


def test_help_is_complete_and_plain_in_a_pipe(tmp_path: Path) -> None:
    shown = modelforge("--help", home=tmp_path / "none")
    assert shown.returncode == 0 and "\x1b" not in shown.stdout
    for command in ("serve", "demo", "train", "datasets", "models", "jobs", "generate", "doctor"):
        assert f" {command} " in shown.stdout
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("columns", [40, 80, WIDE - 1, WIDE, 120])
@pytest.mark.parametrize(("command", "model"), [("train", TrainingConfig), ("serve", Settings)])
def test_help_names_every_flag_in_full_on_every_terminal(
    command: str, model: type[BaseModel], columns: int, tmp_path: Path
) -> None:
    shown = modelforge(command, "--help", home=tmp_path, COLUMNS=str(columns)).stdout
    named = set(re.findall(r"--[a-z0-9-]+(?![a-z0-9…-])", shown))
    assert {flag_of(name) for name in model.model_fields if name not in NO_FLAG} <= named
    switches = [name for name, field in model.model_fields.items() if field.annotation in (bool, bool | None)]
    assert {f"--no-{flag_of(name)[2:]}" for name in switches} <= named


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_help_of_train_has_its_groups_on_every_terminal(columns: int, tmp_path: Path) -> None:
    shown = modelforge("train", "--help", home=tmp_path, COLUMNS=str(columns)).stdout
    titles = "|".join(map(re.escape, GROUPS.values()))
    found = re.findall(rf"^(?:╭─ ({titles}) ─.*|({titles}):)$", shown, re.MULTILINE)
    assert [boxed or plain for boxed, plain in found] == list(GROUPS.values())
    assert "discopop" in shown and "bco_pair" in shown  # the losses that the list takes


def test_version(tmp_path: Path) -> None:
    assert modelforge("--version", home=tmp_path).stdout == f"modelforge {package.__version__}\n"


HEAVY = ("fastapi", "sqlalchemy", "uvicorn", "torch", "transformers", "trl", "peft", "accelerate", "numpy")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["doctor", "--json"]])
def test_what_shows_or_diagnoses_loads_no_web_framework_and_no_training_stack(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom modelforge.cli.app import run\n"
        f"run({words!r})\nprint('LOADED', *(m for m in {HEAVY!r} if m in sys.modules))"
    )
    env = {**os.environ, "MODELFORGE_HOME": str(tmp_path)}
    shown = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1].strip() == "LOADED"


def test_wrong_usage_is_two_lines_and_exit_code_2(tmp_path: Path) -> None:
    for words, said in (
        (["trian"], "Did you mean 'train'?"),
        (["train", "--lora-rr", "3"], "--lora-r"),
        (["train", "--lora-r", "x"], "valid integer"),
        (["train", "--task", "poetry"], "text-generation"),
        (["train", "missing.yaml"], "missing.yaml"),
    ):
        refused = modelforge(*words, "--json", home=tmp_path)
        assert refused.returncode == 2, refused
        title, detail = refused.stderr.splitlines()
        assert title == "Wrong usage" and said in detail and "--help'" in detail
        assert json.loads(refused.stdout) == {"error": title, "detail": detail, "status_code": 400}


def test_a_setting_that_cannot_be_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    refused = modelforge("models", "list", home=tmp_path, MODELFORGE_PORT="many")
    assert refused.returncode == 1 and refused.stdout == ""
    title, detail = refused.stderr.splitlines()
    assert title == "Invalid request" and "MODELFORGE_PORT" in detail


def test_doctor_says_what_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = json.loads(modelforge("doctor", "--json", home=home).stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["Home folder"]["value"].startswith(str(home)) and not home.exists()
    assert checks["torch"]["state"] == "ok" and checks["torch build"]["value"]
    assert checks["sft"]["value"] == "available" and checks["Trains on"]["value"] == found["hardware"]["device"]
    people = modelforge("doctor", home=home, COLUMNS="40", HF_TOKEN="hf_secret")
    assert max(map(len, people.stdout.splitlines())) <= 40 or str(home) in people.stdout
    assert "present" in people.stdout and "hf_secret" not in people.stdout


def test_doctor_fails_where_the_home_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    shown = modelforge("doctor", "--json", home=tmp_path / "home")
    assert shown.returncode == 1
    missing = [check["name"] for check in json.loads(shown.stdout)["checks"] if check["state"] == "missing"]
    assert "Home folder" in missing


def test_a_file_is_checked_without_being_added(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    row = json.dumps({"input": "a", "output": "b"})
    good.write_text(f"{row}\n" * 12)
    bad.write_text(f"{row}\n" * 12 + '{"input": "a"}\n')
    home = tmp_path / "home"
    right = modelforge("datasets", "check", str(good), "--json", home=home)
    assert right.returncode == 0 and json.loads(right.stdout)["num_rows"] == 12
    wrong = modelforge("datasets", "check", str(bad), home=home)
    assert wrong.returncode == 1 and "13" in wrong.stderr and "output" in wrong.stderr
    good.write_text(f"{row}\n" * 9)
    few = modelforge("datasets", "check", str(good), "--json", home=home)
    assert few.returncode == 1 and "at least 10" in json.loads(few.stdout)["errors"][-1]
    assert not home.exists()
