"""Rows become a version or leave nothing, whoever else is at it and whatever ends meanwhile."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modelforge.api import keep as keeping
from modelforge.api.app import create_app
from modelforge.api.keep import drop_unkept, keep
from modelforge.contracts.dataset import Change
from modelforge.datasets.validate import validate
from modelforge.settings import Settings
from modelforge.store.datasets import versions_of
from modelforge.store.tables import DatasetRow
from tests.live import jsonl, rows

UPLOAD = Change(how="upload", summary="uploaded")


@pytest.fixture
def here(client: TestClient) -> Any:
    return client.app.state.modelforge  # type: ignore[attr-defined]


def written(settings: Settings, name: str = "written", count: int = 12) -> Path:
    path = settings.scratch / name
    path.write_bytes(jsonl(rows(count)))
    return path


def kept(here: Any, path: Path, filename: str = "faq.jsonl") -> DatasetRow:
    return asyncio.run(keep(here, path, filename, validate(path), UPLOAD))


def test_two_that_come_at_once_get_a_number_each(
    here: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As commands do that run beside each other: no lock of this process helps there."""
    next_version = keeping.next_version

    def slow(*words: Any) -> int:
        number = next_version(*words)
        time.sleep(0.05)
        return number

    monkeypatch.setattr(keeping, "next_version", slow)
    paths = [written(settings, f"written-{number}") for number in range(4)]
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda path: kept(here, path), paths))
    assert sorted(row.version for row in made) == [1, 2, 3, 4]
    assert all(Path(row.path).is_file() for row in made)


def test_what_is_being_kept_is_kept_whoever_cancels(here: Any, settings: Settings) -> None:
    path = written(settings)

    async def story() -> DatasetRow:
        task = asyncio.create_task(keep(here, path, "faq.jsonl", validate(path), UPLOAD))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        return await task

    row = asyncio.run(story())
    assert Path(row.path).read_bytes() == jsonl(rows(12)) and not path.exists()
    assert [file.name for file in Path(row.path).parent.iterdir()] == ["faq.jsonl"]


def test_a_dataset_may_lie_on_another_disk(here: Any, settings: Settings) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == settings.scratch.stat().st_dev:
        pytest.skip("this system has no second disk to write to")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        settings.datasets.rmdir()
        settings.datasets.symlink_to(folder)
        row = kept(here, written(settings))
        assert Path(row.path).read_bytes() == jsonl(rows(12)) and not list(settings.scratch.iterdir())
        settings.datasets.unlink()


def test_what_a_killed_server_left_is_removed_and_nothing_else(here: Any, settings: Settings) -> None:
    living, deleted = kept(here, written(settings)), kept(here, written(settings), "gone.jsonl")
    with here.database.session() as session:
        session.get(DatasetRow, deleted.id).deleted = True
    begun, new, unknown = (settings.datasets / name for name in ("begun", "new", "unknown"))
    for folder in (begun, new, unknown):
        folder.mkdir()
        (folder / "rows.jsonl").write_bytes(jsonl(rows(12)))
    for folder in (begun, new, Path(living.path).parent):
        (folder / ".begun").touch()
    for folder in (begun, Path(living.path).parent):
        os.utime(folder / ".begun", (time.time() - 10_000,) * 2)
    (settings.datasets / "stray").touch()
    drop_unkept(settings, here.database)
    left = {path.name for path in settings.datasets.iterdir()}
    assert left == {Path(living.path).parent.name, "new", "unknown", "stray"}
    assert [path.name for path in Path(living.path).parent.iterdir()] == ["faq.jsonl"]


def test_a_server_begins_with_that(settings: Settings) -> None:
    settings.make_folders()
    (settings.datasets / "begun").mkdir()
    (settings.datasets / "begun" / ".begun").touch()
    os.utime(settings.datasets / "begun" / ".begun", (0, 0))
    with TestClient(create_app(settings), base_url="http://localhost"):
        assert list(settings.datasets.iterdir()) == []


def test_a_name_that_looks_the_same_is_the_same(client: TestClient, here: Any) -> None:
    """A Mac's finder writes é in two characters, and what is deleted by that name is deleted."""
    apart = unicodedata.normalize("NFD", "café.jsonl")
    client.post("/api/upload_dataset", files={"file": ("café.jsonl", jsonl(rows(12)))}).raise_for_status()
    assert client.get(f"/api/datasets/{apart}/versions").json()["total"] == 1
    assert client.delete(f"/api/datasets/{apart}").json()["status"] == "deleted"
    assert client.get("/api/datasets").json()["total"] == 0
    with here.database.session() as session:
        assert versions_of(session, apart) == []


def test_a_failure_leaves_nothing(here: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: Any) -> int:
        raise ValueError("no")

    monkeypatch.setattr(keeping, "next_version", broken)
    with pytest.raises(ValueError, match="no"):
        kept(here, written(settings))
    assert list(settings.datasets.iterdir()) == []


def test_what_fails_is_told() -> None:
    async def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(keeping._finished(fail()))
