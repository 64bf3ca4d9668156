"""When compiling pays, and when it can't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from modelforge.engine import cost
from tests.engine.models import make


def test_it_pays_for_long_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "product_rate", lambda *_: 1e9)
    model = make("llama")
    # Three layers of q, k, v, o and gate, up, down of width 64, and the output layer.
    weights = 3 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128) + 64 * 512
    tokens = cost.COMPILING_SECONDS / cost.GAIN * cost.EAGER_SHARE * 1e9 / (4 * weights)
    assert not cost.compiling_pays(model, 0.99 * tokens)
    assert cost.compiling_pays(model, 1.01 * tokens)


def test_the_rate_is_that_of_this_machine() -> None:
    assert 1e8 < cost.product_rate(torch.device("cpu"), torch.float32, 256) < 1e14


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no C++ compiler" in str(cost.compiler_fault(torch.device("cpu")))


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
