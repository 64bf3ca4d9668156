"""Schemathesis over every operation, all its checks on: no internal error, and no answer that the schema doesn't tell.

The server can reach no hub and has no dataset of ten usable rows, so its preflight refuses every training: what is
tried is how requests are read and answered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelforge.catalogue import STARTER
from tests.fuzz import EXAMPLES
from tests.live import LiveServer

CASES = EXAMPLES // 10
"""At least so many requests; each costs as much as a dozen examples of what needs no server."""
CONFIG = Path(__file__).parent / "schemathesis.toml"


def run(url: str, report: Path, seed: int) -> int:
    """How many requests were made; fails with what Schemathesis found."""
    # What the schema's edges give is the same for every seed.
    phases = ["--phases", "fuzzing,stateful"] if seed > 1 else []
    little = ["--phases", "examples,fuzzing", "--max-examples", "8"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{url}/openapi.json"),
            *("--checks", "all", "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
            *("--request-timeout", "60", "--seed", str(seed), "--report", "json", "--report-json-path", str(report)),
            *([*phases, "--max-examples", "100"] if CASES else little),
        ],
        capture_output=True, text=True, check=False, cwd=report.parent,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(CONFIG.parent)},
    )  # fmt: skip
    said = json.loads(report.read_text())
    assert done.returncode == 0 and not said["errors"] and not said["failures"], done.stdout[-20_000:]
    assert said["operations"]["tested"] == said["operations"]["total"] - 1  # but for what schemathesis.toml says
    cases: int = said["test_cases"]["generated"]
    return cases


@pytest.mark.fuzz
def test_every_answer_is_one_that_the_schema_tells(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "home").start()
    try:
        # The first answer waits for its process, which may compile; no request may take ten seconds.
        server.post("/api/playground/generate", {"model_name": STARTER, "prompt": "Hello", "max_new_tokens": 1})
        cases = seed = 0
        while cases < max(1, CASES):
            seed += 1
            cases += run(server.url, tmp_path / "report.json", seed)
        print(f"\n{cases} cases")
        assert server.get("/api/jobs")["total"] == 0
        assert server.get("/api/health")["status"] == "healthy"
    finally:
        server.close()
