"""What the supervisor does while the database does not take what it writes, and what it begins with."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from modelforge.errors import StoreFault
from modelforge.hardware import detect
from modelforge.jobs import supervisor
from modelforge.jobs.probing import Probe
from modelforge.lease import DeviceLease
from modelforge.settings import load_settings
from modelforge.store.database import Database
from modelforge.store.tables import JobRow
from tests.ledgers import Run


def supervised(home: Path, database: Database) -> supervisor.Supervisor:
    settings, lease = load_settings(home=home), DeviceLease("cpu")
    return supervisor.Supervisor(settings, database, detect(), lease, Probe(settings, lease))


def test_a_full_disk_is_logged_once_and_so_is_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "RETRY_SECONDS", 0)
    database = Database(tmp_path / "test.db")
    faults = [StoreFault("database or disk is full")] * 40

    def work() -> str:
        if faults:
            raise faults.pop()
        return "written"

    async def story() -> str:
        return await supervised(tmp_path, database)._insist(work)

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(story()) == "written"
    assert not faults
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "disk is full" in told[0] and "again" in told[1], told


def test_a_new_server_tells_no_lower_number_than_the_one_before(tmp_path: Path) -> None:
    """A job that was told of, and never had its turn, is not what a server begins with; its number is."""
    run = Run(tmp_path)
    row = run.job()
    values = {column.name: getattr(row, column.name) for column in JobRow.__table__.columns if column.name != "number"}
    status, _ = run.ledger.add(JobRow(**{**values, "id": "train_next", "name": "next", "started_at": None}))
    assert run.ledger.cancel("train_next", told=False)
    begun = supervised(tmp_path, run.database).broadcast
    assert begun.status.job_id == run.job().id and begun.status.seq == begun.seq == run.ledger.seq > status.seq
