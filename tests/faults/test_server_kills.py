"""The server is killed: the worker goes on, the next server adopts it, and nobody who listens misses anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx

from tests.faults.harm import (
    COMPARED,
    SLOW,
    Listener,
    Reference,
    at_once,
    begin,
    entered,
    said,
    see_to_its_end,
    worker_of,
    workers,
)
from tests.faults.table import Table
from tests.live import LiveServer, until

NAME = "server kill -9"


def test_while_a_run_is_started(
    home_server: LiveServer, tiny_model: Path, reference: Reference, table: Table, dice: Random, full: bool
) -> None:
    """Whatever part of the start was done: afterwards there is one whole job, or none, and none was promised."""
    server = home_server
    with table.fault(NAME) as fault:
        for number in range(5 if full else 1):
            body = {**SLOW, **COMPARED, "model_name": str(tiny_model), "name": f"run-{number}"}
            promised: list[str] = []
            request = threading.Thread(target=_ask, args=(server.url, body, promised))
            request.start()
            time.sleep(dice.uniform(0, 0.4))
            server.kill()
            fault.injected += 1
            request.join()
            server.start()
            there = [job["id"] for job in server.get("/api/jobs")["jobs"] if job["name"] == body["name"]]
            assert set(promised) <= set(there) and len(there) <= 1
            see_to_its_end(server, there[0] if there else begin(server, tiny_model, body["name"]), reference, fault)


def _ask(url: str, body: object, promised: list[str]) -> None:
    with suppress(httpx.HTTPError):  # the server is gone
        promised.append(httpx.post(f"{url}/api/start_training", json=body, timeout=30).json()["job_id"])


def test_while_a_run_goes_on(
    home_server: LiveServer, tiny_model: Path, reference: Reference, table: Table, dice: Random, full: bool
) -> None:
    server, jobs = home_server, []
    kills, done = (15 if full else 4), 0
    with table.fault(NAME) as fault, Listener(server) as listener:
        while done < kills:
            job_id = begin(server, tiny_model, f"run-{len(jobs)}")
            jobs.append(job_id)
            pid = worker_of(job_id).pid
            while done < kills and workers(job_id):
                if done % 4 == 3:
                    at_once(entered(server, job_id, 1, "saving"), 300)
                    time.sleep(dice.uniform(0, 0.05))
                else:
                    time.sleep(dice.uniform(0, 3))
                training = entered(server, job_id, 1, "training")()
                server.kill()
                fault.injected += 1
                done += 1
                if training:
                    until(_more(server, job_id), 30)
                time.sleep(dice.uniform(0, 0.5))
                server.start()
                assert {process.pid for process in workers(job_id)} <= {pid}
                status = server.get("/api/training_status")
                assert status["job_id"] == job_id and status["status"] in (
                    "starting",
                    "training",
                    "saving",
                    "completed",
                )
            assert see_to_its_end(server, job_id, reference, fault)["attempt"] == 1
        lost = listener.lost(jobs)
        fault.data_lost += lost
        assert lost == 0 and listener.connections > kills
        assert len(server.get("/api/models")["models"]) == len(jobs)


def _more(server: LiveServer, job_id: str) -> Callable[[], bool]:
    """Whether the worker has said more than at the call, or ended."""
    known = len(said(server, job_id))
    return lambda: len(said(server, job_id)) > known or not workers(job_id)
