"""What the command line tells of strategies and tasks: real trainings, as a user sees them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.program import modelforge
from tests.live import jsonl


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_chain_of_strategies_is_told(home: Path, tmp_path: Path, tiny_model: Path) -> None:
    pairs = [{"prompt": f"Say {n}.", "chosen": f"It is {n}.", "rejected": f"{n}"} for n in range(12)]
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(pairs))
    base = ["train", "--task", "text-generation", "--dataset", str(tmp_path / "pairs.jsonl"), "--max-steps", "2"]
    words = ["--strategy", "dpo", "--loss-type", "sigmoid,sft", "--loss-weights", "1,2", "--model-name"]
    first = modelforge(*base, *words, str(tiny_model), "--name", "first", home=home)
    assert first.returncode == 0, first.stderr
    words = ["--strategy", "rlhf", "--num-generations", "2", "--max-completion-length", "8", "--model-name", "first"]
    words += ["--reward-num-train-epochs", "1", "--logging-steps", "1", "--name", "second"]
    second = modelforge(*base, *words, home=home, COLUMNS="40")
    assert second.returncode == 0, second.stderr
    told = second.stdout
    assert told.index("Training the reward model") < told.index("Training the policy") < told.index("Measured")

    shown = modelforge("models", "show", "second", home=home, COLUMNS="120").stdout
    assert f"{tiny_model} → first (dpo) → second (rlhf)" in " ".join(shown.split())
    assert re.search(r"^Measured +Before +After$", shown, re.MULTILINE)
    assert re.search(r"^Reward +\S+ +\S+$", shown, re.MULTILINE)
    said = modelforge("jobs", "show", home=home, COLUMNS="120").stdout
    happened, _, samples = said.partition("What the model said")
    assert "Training the policy" in happened and "Step 1" not in happened
    assert re.search(r"Step 1, reward \S+: .*Say \d+\..* → ", samples)


def test_a_question_about_a_context(home: Path, tiny_model: Path) -> None:
    words = ["generate", str(tiny_model), "Who lives in Rome?", "--context", "Ada lives in Rome.", "--json"]
    reply = json.loads(modelforge(*words, home=home).stdout)
    assert reply["generated_text"] and reply["generated_text"] in "Ada lives in Rome."
    assert 0 <= reply["score"] <= 1
    start = reply["answer_start"]
    assert "Ada lives in Rome."[start : start + len(reply["generated_text"])] == reply["generated_text"]
    refused = modelforge(*words, "--task", "text-generation", home=home)
    assert refused.returncode == 1 and "context" in refused.stderr
