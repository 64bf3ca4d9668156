"""Workers by their process interface alone: a run folder with a spec goes in, events come out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from modelforge.environments import CODE, foreign_environment
from modelforge.jobs.runners.base import worker_environment
from tests.live import LiveServer, jsonl, rows

PAIRS = [
    {"prompt": f"what is {i}?", "chosen": f"it is the number {i}", "rejected": f"who knows about {i}"}
    for i in range(40)
]
"""Two answers each, the better one first."""


def resolved_spec(home: Path, data: list[dict[str, str]] | None = None, **config: Any) -> dict[str, Any]:
    """A spec as a server resolves it, taken before its worker has loaded a library; for ``data``, or questions with
    their answers."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "rows.jsonl").write_bytes(jsonl(data or rows(40)))
    server = LiveServer(home / "server", MODELFORGE_STOP_TIMEOUT="0.1").start()
    try:
        asked = {"task": "text-generation", "dataset": str(home / "rows.jsonl"), **config}
        job_id = server.post("/api/start_training", asked)["job_id"]
        spec: dict[str, Any] = json.loads((server.home / "runs" / job_id / "spec.json").read_text())
        server.call("POST", "/api/stop_training?force=true")
    finally:
        server.close()
    assert not spec["frozen"]
    return {**spec, "data": str(home / "rows.jsonl")}


def place(spec: dict[str, Any], home: Path, job_id: str, **config: Any) -> Path:
    """A run folder below ``home`` for the spec, with other options; it takes the spec's data along."""
    run_dir = home / "runs" / job_id
    run_dir.mkdir(parents=True)
    data = run_dir / "dataset.jsonl"
    shutil.copyfile(spec["data"], data)
    own = {
        **{name: value for name, value in spec.items() if name != "data"},
        "job_id": job_id,
        "name": job_id,
        "config": {**spec["config"], **config},
        "dataset": {**spec["dataset"], "path": str(data)},
        "output_dir": str(home / "models" / job_id),
    }
    (run_dir / "spec.json").write_text(json.dumps(own))
    return run_dir


def start(python: Path, run_dir: Path, attempt: int = 1, **more: str) -> subprocess.Popen[bytes]:
    """A worker under another interpreter, which finds ModelForge's code and nothing else of ours; ``more`` are
    environment variables."""
    home = run_dir.parent.parent
    environment = worker_environment(foreign_environment(dict(os.environ)), home, "token", attempt)
    environment |= {"PYTHONPATH": str(CODE.parent), "HF_HUB_OFFLINE": "1", **more}
    with (run_dir / "worker.log").open("ab") as log:
        argv = [str(python), "-m", "modelforge.worker", run_dir.name]
        return subprocess.Popen(argv, env=environment, stdout=log, stderr=log)


def events(run_dir: Path) -> list[dict[str, Any]]:
    """What the worker said so far."""
    path = run_dir / "events.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def states(run_dir: Path, attempt: int = 1) -> list[str]:
    """The states that an attempt went through."""
    return [event["state"] for event in events(run_dir) if event["kind"] == "state" and event["attempt"] == attempt]


def losses(run_dir: Path) -> dict[int, float]:
    """The loss curve; a later attempt's value stands."""
    found = [event for event in events(run_dir) if event["kind"] == "metrics" and "loss" in event["values"]]
    return {event["step"]: event["values"]["loss"] for event in found}


def why(run_dir: Path) -> str:
    """What went wrong, for a failing test."""
    said = [event.get("error") or event.get("message") for event in events(run_dir)[-3:]]
    return f"{said}\n{(run_dir / 'worker.log').read_text()[-3000:]}"
