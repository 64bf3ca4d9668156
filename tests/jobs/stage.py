"""A home folder whose workers are small scripts under the real attendant: everything of a job's life but the training.

A worker says that it trains, and then does what the test tells it by a file in its run folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from modelforge import processes
from modelforge.contracts.training import TrainingConfig
from modelforge.hardware import Hardware
from modelforge.jobs.probing import Probe
from modelforge.jobs.runners import local
from modelforge.jobs.supervisor import Supervisor
from modelforge.lease import DeviceLease
from modelforge.settings import load_settings
from modelforge.store.database import Database
from modelforge.store.jobs import get_job, list_jobs, positions
from modelforge.store.tables import JobRow
from tests.live import jsonl, rows

ROOTS = [Path(os.sep)]
"""Paths in requests lead anywhere, as for the owner."""
WORKER = """\
import json, os, subprocess, sys, time
from pathlib import Path

run = Path(os.environ["MODELFORGE_HOME"], "runs", sys.argv[3])
attempt = int(os.environ["MODELFORGE_ATTEMPT"])

def say(state, **more):
    with (run / "events.jsonl").open("a") as file:
        file.write(json.dumps({"kind": "state", "state": state, "attempt": attempt, **more}) + "\\n")

with (run / "starts").open("a") as file:
    file.write(f"{attempt} {os.getpid()}\\n")
SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
ORPHAN = "import os, subprocess, sys\\nif os.fork() == 0:\\n    os.setsid()\\n    if os.fork() == 0:\\n        " + SLEEP
if (run.parent.parent / "family").exists():
    subprocess.Popen([sys.executable, "-c", SLEEP])
    subprocess.Popen([sys.executable, "-c", ORPHAN]).wait()
say("training")
while True:
    if (run / "stop").exists() and not (run.parent.parent / "deaf").exists():
        say("stopped", cause="user")
        sys.exit(0)
    if (run / "finish").exists():
        say("saving")
        say("completed", metrics={"final_loss": 0.5})
        sys.exit(0)
    if (run / "fail").exists():
        sys.exit(3)
    time.sleep(0.01)
"""


class Stage:
    """The folder, and what its tests ask of it again and again."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = folder / "home"
        self.settings = load_settings(home=self.home, stop_timeout=5)
        self.settings.make_folders()
        self.data = folder / "rows.jsonl"
        self.data.write_bytes(jsonl(rows(12)))
        actor = folder / "actor"
        actor.write_text(f"#!{sys.executable}\n{WORKER}")
        actor.chmod(0o755)
        monkeypatch.setattr(local, "interpreter_of", lambda run_dir, home: str(actor))
        self.database = Database(self.settings.database)

    def config(self, **fields: Any) -> TrainingConfig:
        asked = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": str(self.data), **fields}
        return TrainingConfig.model_validate(asked)

    @asynccontextmanager
    async def server(self, *, serves_queue: bool = True, auto_resume: bool = True) -> AsyncIterator[Supervisor]:
        """A supervisor from its start to its end; what it left goes on."""
        settings = self.settings.model_copy(update={"auto_resume": auto_resume})
        hardware = Hardware(
            system="here", cpu_count=1, memory_gb=64, device="cpu", fast_bf16=False, compute_specs="low_end"
        )
        lease = DeviceLease("cpu")
        probe = Probe(settings, lease)
        supervisor = Supervisor(settings, self.database, hardware, lease, probe, serves_queue=serves_queue)
        await supervisor.start()
        try:
            yield supervisor
        finally:
            await supervisor.close()

    def tell(self, job_id: str, word: str) -> None:
        (self.settings.runs / job_id / word).touch()

    def job(self, job_id: str) -> JobRow:
        with self.database.session() as session:
            return get_job(session, job_id)

    def queue(self) -> list[str]:
        with self.database.session() as session:
            return list(positions(session))

    def jobs(self) -> list[JobRow]:
        with self.database.session() as session:
            return list(list_jobs(session, None, 0)[0])

    def starts(self, job_id: str) -> list[tuple[int, int]]:
        """Attempt and pid of each worker that the job ever had."""
        path = self.settings.runs / job_id / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(attempt), int(pid)) for attempt, pid in (line.split() for line in lines)]

    async def becomes(self, job_id: str, state: str) -> None:
        await until(lambda: self.job(job_id).status == state, lambda: f"{job_id} is {self.job(job_id).status}")

    def kill(self, job_id: str) -> None:
        """End worker and attendant at once, as when the machine goes down."""
        record = json.loads((self.settings.runs / job_id / "process.json").read_text())
        for pid in (record["attendant_pid"], record["pid"]):
            psutil.Process(pid).kill()

    def left(self) -> list[int]:
        """The pids of all that runs for any job of this folder."""
        return processes.find_by_environment("MODELFORGE_HOME", str(self.home))

    def close(self) -> None:
        processes.kill_by_environment("MODELFORGE_HOME", str(self.home))
        self.database.close()


async def until(true: Callable[[], object], why: Callable[[], str] = lambda: "", seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {why()}"
        await asyncio.sleep(0.02)
