"""What the supervisor does while the database does not take what it writes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from modelforge.errors import StoreFault
from modelforge.hardware import detect
from modelforge.jobs import supervisor
from modelforge.lease import DeviceLease
from modelforge.settings import load_settings
from modelforge.store.database import Database


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
        lease = DeviceLease("cpu")
        return await supervisor.Supervisor(load_settings(home=tmp_path), database, detect(), lease)._insist(work)

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(story()) == "written"
    assert not faults
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "disk is full" in told[0] and "again" in told[1], told
