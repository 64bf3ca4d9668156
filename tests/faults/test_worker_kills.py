"""The worker is killed, by itself or with everything else: the run goes on from its last checkpoint, and ends as if
nothing had been."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.harm import (
    Reference,
    at_once,
    begin,
    came_to,
    cut_the_power,
    entered,
    kept,
    said,
    sealed,
    see_to_its_end,
    unsealed,
    worker_of,
)
from tests.faults.table import Table
from tests.live import LiveServer, until


def _await(moment: str, server: LiveServer, job_id: str, attempt: int, dice: Random) -> None:
    """Until the moment has come for the attempt, or it has ended."""
    if moment == "start":
        worker_of(job_id)
        time.sleep(dice.uniform(0, 3))
        return
    at_once(entered(server, job_id, attempt, "training"), 120)
    if moment == "steps":
        before = max(
            (event["step"] for event in said(server, job_id, attempt) if event["kind"] == "progress"), default=0
        )
        at_once(came_to(server, job_id, attempt, before + dice.randint(1, 40)), 120)
    elif moment == "checkpoint":
        at_once(lambda: bool(unsealed(server, job_id)) or entered(server, job_id, attempt, "saving")(), 120)
    else:
        at_once(entered(server, job_id, attempt, "saving"), 300)
        time.sleep(dice.uniform(0, 0.02))


def test_alone(
    home_server: LiveServer, tiny_model: Path, reference: Reference, table: Table, dice: Random, full: bool
) -> None:
    server, torn = home_server, 0
    moments = ["start"] * 2 + ["steps", "checkpoint"] * 7 + ["start"] + ["save"] * 3
    with table.fault("worker kill -9") as fault:
        job_id = begin(server, tiny_model, "killed")
        for attempt, moment in enumerate(moments if full else ["start", "steps", "checkpoint", "save"], 1):
            _await(moment, server, job_id, attempt, dice)
            worker_of(job_id).kill()
            job = server.wait(job_id, seconds=5)
            if job["status"] == "completed":
                break  # the kill came too late for the last words
            fault.injected += 1
            assert (job["status"], job["cause"], job["signal"]) == ("failed", "killed", "SIGKILL"), moment
            assert "SIGKILL" in job["error"] and job["model_id"] is None and job["progress"] < 100
            left, whole = unsealed(server, job_id), sealed(server, job_id)
            torn += len(left)
            reply = server.post(f"/api/jobs/{job_id}/resume")
            step = whole[-1].name.split("-")[1] if whole else None
            assert (
                f"from the checkpoint at step {step}" in reply["message"] if step else "beginning" in reply["message"]
            )
            if step:
                assert f"Going on from the checkpoint at step {step}" in _told(server, job_id, attempt + 1)
            for folder in left:
                assert f"{folder.name} has no manifest" in _told(server, job_id, attempt + 1)
        see_to_its_end(server, job_id, reference, fault)
        assert torn or not full, "no kill came into the midst of a checkpoint"  # one alone may come too late


def _told(server: LiveServer, job_id: str, attempt: int) -> str:
    """What the job's events say of an attempt, as soon as it trains."""
    until(entered(server, job_id, attempt, "training"), 120)
    told: list[dict[str, Any]] = []

    def heard() -> bool:
        told[:] = [event for event in server.get(f"/api/jobs/{job_id}")["events"] if event["attempt"] == attempt]
        return any(event["text"].startswith("training") for event in told)

    until(heard, 10)
    return " ".join(event["text"] for event in told)


def test_with_the_server_as_when_the_machine_goes_down(
    home_server: LiveServer, tiny_model: Path, reference: Reference, table: Table, dice: Random, full: bool
) -> None:
    server = home_server
    moments = ["start", "steps", "checkpoint", "steps", "steps", "checkpoint", "steps", "save"]
    with table.fault("machine goes down and comes back") as fault:
        job_id = begin(server, tiny_model, "rebooted")
        for attempt, moment in enumerate(moments if full else ["start", "checkpoint"], 1):
            if attempt % 3 == 0:
                # After three attempts that came to nothing the next start asks the run's owner.
                until(kept(server, job_id, attempt, 1), 120)
            _await(moment, server, job_id, attempt, dice)
            cut_the_power(server, job_id)
            server.start()
            if not _taken_up(server, job_id, attempt):
                break  # it had said its last word
            fault.injected += 1
            texts = " ".join(event["text"] for event in server.get(f"/api/jobs/{job_id}")["events"])
            assert "interrupted: Worker and server ended together" in texts
        see_to_its_end(server, job_id, reference, fault)


def _taken_up(server: LiveServer, job_id: str, attempt: int) -> bool:
    """Whether the server goes on with the job by itself; False where it was completed already."""
    job: dict[str, Any] = {}

    def there() -> bool:
        job.update(server.get(f"/api/jobs/{job_id}"))
        return job["attempt"] == attempt + 1 or job["status"] == "completed"

    until(there, 20)
    return bool(job["status"] != "completed")
