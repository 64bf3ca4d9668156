"""A pid that now belongs to somebody else is never taken for the worker's, and never signalled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from modelforge.processes import start_identity
from tests.faults.harm import Reference, begin, came_to, cut_the_power, run_dir, see_to_its_end, worker_of, workers
from tests.faults.table import Table
from tests.live import LiveServer, jsonl, rows, until


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is nobody's worker."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def _name(record: Path, stranger: subprocess.Popen[bytes], *, right_identity: bool) -> None:
    """Make the record of who runs name the stranger, as if he had got the pid."""
    known = json.loads(record.read_text())
    identity = start_identity(stranger.pid) if right_identity else known["identity"]
    named = {"pid": stranger.pid, "identity": identity}
    record.write_text(json.dumps({**known, **named, **{f"attendant_{key}": value for key, value in named.items()}}))


def test_after_the_machine_came_back(
    tmp_path: Path, tiny_model: Path, reference: Reference, table: Table, stranger: subprocess.Popen[bytes]
) -> None:
    """One who started at another moment, and one whose start agrees, but who carries no token."""
    server = LiveServer(tmp_path / "home", MODELFORGE_AUTO_RESUME="false").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        with table.fault("pid reused by a stranger") as fault:
            job_id = begin(server, tiny_model, "run")
            for attempt, right_identity in enumerate((False, True), 1):
                until(came_to(server, job_id, attempt, 20 * attempt), 120)
                cut_the_power(server, job_id)
                _name(run_dir(server, job_id) / "process.json", stranger, right_identity=right_identity)
                fault.injected += 1
                server.start()
                job = server.wait(job_id, ("interrupted",), seconds=10)
                assert (job["pid"], job["cause"]) == (None, "server_restart")
                server.call("POST", "/api/stop_training", status=409, params={"force": True})
                assert stranger.poll() is None
                server.post(f"/api/jobs/{job_id}/resume")
            see_to_its_end(server, job_id, reference, fault)
            assert stranger.poll() is None
    finally:
        server.close()


def test_while_the_worker_lives(
    home_server: LiveServer,
    tiny_model: Path,
    reference: Reference,
    table: Table,
    dice: Random,
    stranger: subprocess.Popen[bytes],
) -> None:
    """The worker is found by its token: it isn't started a second time, and a stop ends it and nobody else."""
    server = home_server
    with table.fault("pid reused by a stranger") as fault:
        job_id = begin(server, tiny_model, "run")
        until(came_to(server, job_id, 1, 5), 120)
        worker = worker_of(job_id)
        worker.suspend()  # a server takes longer to start than the rest of the run
        server.kill()
        _name(run_dir(server, job_id) / "process.json", stranger, right_identity=dice.random() < 0.5)
        fault.injected += 1
        server.start()
        assert server.get("/api/training_status")["status"] in ("training", "saving")
        assert worker_of(job_id).pid == worker.pid
        server.call("POST", "/api/stop_training", params={"force": True})
        assert workers(job_id) == []
        assert stranger.poll() is None
        server.post(f"/api/jobs/{job_id}/resume")
        assert see_to_its_end(server, job_id, reference, fault)["attempt"] == 2
