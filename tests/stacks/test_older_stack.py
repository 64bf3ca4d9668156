"""The contract with the older stack: the worker's own code trains, stops and resumes on trl 1.15 and transformers 5.17
just as it does on ours. ``make test-stacks`` makes that environment and names its Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import workers
from tests.live import until

PYTHON = Path(os.environ.get("MODELFORGE_OLDER_STACK", ""))
PINS = Path(__file__).with_name("older.txt")

pytestmark = pytest.mark.skipif(
    "MODELFORGE_OLDER_STACK" not in os.environ, reason="needs the older stack: run `make test-stacks`"
)

STEPS = 12
INTERPRETED = {"TRITON_INTERPRET": "1"}
"""trl 1.15 computes its losses in Triton's kernels alone; so they run without a GPU, slowly and as exactly."""


@pytest.fixture(scope="module")
def spec(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return workers.resolved_spec(
        tmp_path_factory.mktemp("specs"), model_name=str(tiny_model), max_steps=STEPS, logging_steps=1, save_steps=4,
        eval_steps=4, learning_rate=1e-2, per_device_train_batch_size=2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(spec: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that came to its end."""
    run_dir = workers.place(spec, tmp_path_factory.mktemp("home"), "train_whole")
    assert workers.start(PYTHON, run_dir, **INTERPRETED).wait(timeout=300) == 0, workers.why(run_dir)
    return run_dir


def test_it_is_the_older_stack() -> None:
    freeze = [str(PYTHON), "-m", "pip", "list", "--format=json"]
    found = {item["name"]: item["version"] for item in json.loads(subprocess.check_output(freeze))}
    wanted = dict(re.findall(r"^([a-z_]+)==(\S+)", PINS.read_text(), re.MULTILINE))
    assert {"trl", "transformers", "datasets"} <= set(wanted)
    assert {name: found.get(name) for name in wanted} == wanted
    assert "fastapi" not in found and "SQLAlchemy" not in found


def test_a_run_trains_and_says_so(undisturbed: Path) -> None:
    assert workers.states(undisturbed) == ["starting", "training", "saving", "completed"]
    said = workers.events(undisturbed)
    assert [event["line"] for event in said] == list(range(1, len(said) + 1))
    assert [event["step"] for event in said if event["kind"] == "checkpoint"] == [4, 8, 12]
    curve = workers.losses(undisturbed)
    assert list(curve) == list(range(1, STEPS + 1))
    assert curve[STEPS] < curve[1] - 0.3
    metrics = said[-1]["metrics"]
    assert metrics["eval_loss"] > 0 and metrics["train_tokens"] > 0


def test_what_it_ran_with_is_written_down(undisturbed: Path) -> None:
    spec = json.loads((undisturbed / "spec.json").read_text())
    assert spec["frozen"]
    assert (spec["versions"]["trl"], spec["versions"]["transformers"]) == ("1.15.0", "5.17.0")


def test_our_own_stack_loads_what_was_trained(undisturbed: Path, tiny_model: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = json.loads((undisturbed / "spec.json").read_text())["output_dir"]
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), folder)
    assert any(bool(weight.any()) for name, weight in model.named_parameters() if "lora_B" in name)
    ids = AutoTokenizer.from_pretrained(folder)("what is 3?", return_tensors="pt")["input_ids"]
    assert model.generate(input_ids=ids, max_new_tokens=3).shape[1] > ids.shape[1]


def test_a_stopped_run_goes_on_with_the_same_losses(spec: dict[str, Any], undisturbed: Path, tmp_path: Path) -> None:
    run_dir = workers.place(spec, tmp_path, "train_stopped")
    worker = workers.start(PYTHON, run_dir, **INTERPRETED)
    until(lambda: bool(workers.losses(run_dir)) or worker.poll() is not None, 240, lambda: workers.why(run_dir))
    (run_dir / "stop").touch()
    assert worker.wait(timeout=60) == 0, workers.why(run_dir)
    assert workers.states(run_dir)[-1] == "stopped", workers.why(run_dir)
    assert 0 < len(workers.losses(run_dir)) < STEPS
    (run_dir / "stop").unlink()
    assert workers.start(PYTHON, run_dir, attempt=2, **INTERPRETED).wait(timeout=300) == 0, workers.why(run_dir)
    assert workers.states(run_dir, attempt=2)[-1] == "completed"
    assert workers.losses(run_dir) == pytest.approx(workers.losses(undisturbed), rel=1e-6)


@pytest.mark.parametrize(
    ("strategy", "options"),
    [("dpo", {"max_steps": 3}), ("rlhf", {"max_steps": 2, "num_generations": 2, "max_completion_length": 8})],
)
def test_preferences_are_learned_there_too(
    tiny_model: Path, tmp_path: Path, strategy: str, options: dict[str, int]
) -> None:
    spec = workers.resolved_spec(
        tmp_path / "specs", workers.PAIRS, model_name=str(tiny_model), strategy=strategy, logging_steps=1, **options
    )
    run_dir = workers.place(spec, tmp_path, "train_preferences")
    assert workers.start(PYTHON, run_dir, **INTERPRETED).wait(timeout=300) == 0, workers.why(run_dir)
    assert workers.states(run_dir)[-1] == "completed", workers.why(run_dir)
    assert workers.losses(run_dir)


def test_what_triton_computes_on_a_gpu_is_right() -> None:
    """By its interpreter, which this stack has, and ours without a GPU hasn't."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", "-m", "tests.engine.triton_kernels", "cpu"],
        env={**os.environ, **INTERPRETED, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("as it should be") == 5
