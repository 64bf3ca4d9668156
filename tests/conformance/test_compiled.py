"""Compiled layers, as a GPU has them: one program for all of them, a run that learns what another one learns, and a
resume that goes on to the same weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from modelforge.engine.engine import Engine
from tests import workers
from tests.compilers import needs_compiler
from tests.engine.models import apart, by_engine, documents, end_to_end, make
from tests.live import until

pytestmark = needs_compiler

PYTHON = Path(sys.executable)
STEPS = 12


@pytest.fixture(scope="module")
def plain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a run that was not compiled; its spec is frozen."""
    home = tmp_path_factory.mktemp("plain")
    options = {"max_steps": STEPS, "logging_steps": 1, "save_steps": 4, "lora_dropout": 0.2, "learning_rate": 1e-3}
    spec = workers.resolved_spec(home / "specs", model_name=str(tiny_model), **options)
    run_dir = workers.place(spec, home, "train_plain")
    assert workers.start(PYTHON, run_dir).wait(timeout=240) == 0, workers.why(run_dir)
    return run_dir


def frozen(plain: Path) -> dict[str, Any]:
    """Its spec, for a run that is compiled."""
    spec: dict[str, Any] = json.loads((plain / "spec.json").read_text())
    assert spec["frozen"] and spec["row_tokens"] and not spec["compiled"]
    return {**spec, "compiled": True, "data": str(plain / "dataset.jsonl")}


def weights(run_dir: Path) -> dict[str, Any]:
    """What it saved."""
    folder = Path(json.loads((run_dir / "spec.json").read_text())["output_dir"])
    return load_file(folder / "adapter_model.safetensors")


def test_it_learns_the_same_and_resumes_exactly(plain: Path, tmp_path: Path) -> None:
    spec = frozen(plain)
    whole = workers.place(spec, tmp_path, "train_whole")
    assert workers.start(PYTHON, whole).wait(timeout=400) == 0, workers.why(whole)
    curve = workers.losses(whole)
    assert list(curve) == list(range(1, STEPS + 1))
    # Dropout is drawn in another order than without compiling.
    assert curve == pytest.approx(workers.losses(plain), rel=0.1)

    broken = workers.place(spec, tmp_path, "train_broken")
    worker = workers.start(PYTHON, broken)
    until(lambda: len(workers.losses(broken)) > 2 or worker.poll() is not None, 240, lambda: workers.why(broken))
    (broken / "stop").touch()
    assert worker.wait(timeout=60) == 0, workers.why(broken)
    assert len(workers.losses(broken)) < STEPS
    (broken / "stop").unlink()
    assert workers.start(PYTHON, broken, attempt=2).wait(timeout=240) == 0, workers.why(broken)
    assert workers.losses(broken) == curve
    found, wanted = weights(broken), weights(whole)
    assert all(bool((found[name] == tensor).all()) for name, tensor in wanted.items())


def test_compiled_layers_learn_the_same_with_one_program() -> None:
    model, made = make("llama", lora_dropout=0.0), documents()
    _, wanted = by_engine(model, Engine(model), made)
    engine = Engine(model, compiled=True)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    for lengths in ((30, 7, 90), (12, 200), (64, 64, 3)):  # other sizes need no other program
        by_engine(model, engine, documents(lengths))
    _, found = by_engine(model, engine, made)
    assert apart(found, wanted) < 1e-5
    with torch.no_grad(), engine.at_work(), model.disable_adapter():
        engine.loss(end_to_end(made))
    assert not torch._dynamo.utils.counters["graph_break"]
    # One for the layers, and two for the loss, with its gradient and without.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 3


def test_a_compiler_that_fails_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho no headers >&2\nexit 1\n")
    broken.chmod(0o755)
    # In a process of its own: torch reads CXX once.
    environment = {**os.environ, "CXX": str(broken), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    script = (
        "import torch; from modelforge.engine.cost import compiler_fault; print(compiler_fault(torch.device('cpu')))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "the compiler fails" in done.stdout
