"""A model's folder as one file."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from modelforge.archive import zipped
from modelforge.settings import Settings
from modelforge.store.database import Database
from tests.api.test_trash import add_model
from tests.cli.program import document, modelforge
from tests.live import LiveServer


@pytest.fixture
def database(client: TestClient, settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


def test_the_zip_holds_the_folder(client: TestClient, database: Database, settings: Settings) -> None:
    folder = add_model(database, settings, "mine")
    (folder / "reward_model").mkdir()
    (folder / "reward_model" / "adapter.safetensors").write_bytes(b"\0\1" * 500_000)
    client.patch("/api/models/1", json={"name": "yours"})
    reply = client.get("/api/models/1/download")
    assert reply.headers["content-type"] == "application/zip"
    assert reply.headers["content-disposition"] == 'attachment; filename="yours.zip"'
    assert int(reply.headers["content-length"]) == len(reply.content)
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.testzip() is None
        held = {info.filename: archive.read(info) for info in archive.infolist()}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert held == {
        f"yours/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert "yours/reward_model/adapter.safetensors" in held


def test_what_is_not_there_is_said(client: TestClient, database: Database, settings: Settings) -> None:
    assert client.get("/api/models/1/download").status_code == 404
    folder = add_model(database, settings, "mine")
    folder.rename(settings.home / "elsewhere")
    for what in ("download", "usage"):
        reply = client.get(f"/api/models/1/{what}")
        assert reply.status_code == 404 and "is gone" in reply.json()["detail"]


def test_a_file_above_4_gb_takes_no_memory(tmp_path: Path) -> None:
    size = (4 << 30) + 5
    with (tmp_path / "model.safetensors").open("wb") as sparse:
        sparse.truncate(size)
    archive = zipped(tmp_path, "big")
    assert len(archive) > size
    tracemalloc.start()
    blocks = iter(archive)
    assert sum(len(next(blocks)) for _ in range(200)) > 1_000_000
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_commands(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "home").start()
    database = Database(server.home / "modelforge.db")
    settings = Settings(home=server.home)
    try:
        folder = add_model(database, settings, "mine")
        home = server.home
        assert document("models", "rename", "mine", "yours", home=home)["name"] == "yours"
        here = document("models", "download", "yours", "--to", str(tmp_path / "here.zip"), home=home)
        assert here["path"] == str(tmp_path / "here.zip")
        elsewhere = {"MODELFORGE_SERVER_URL": server.url}
        words = ("models", "download", "1", "--json")
        done = modelforge(*words, home=tmp_path / "other", cwd=tmp_path, **elsewhere)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "yours.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()
        again = modelforge(*words, home=tmp_path / "other", cwd=tmp_path, **elsewhere)
        assert again.returncode == 1 and "exists already" in again.stderr
        assert "forge.generate(" in modelforge("models", "usage", "yours", home=home).stdout

        said = modelforge("models", "rm", "yours", home=home).stdout
        assert "models restore 1" in said and not folder.exists()
        assert "yours" in modelforge("models", "trash", home=home).stdout
        unknown = modelforge("models", "restore", "your", home=home)
        assert unknown.returncode == 1 and "Did you mean 'yours'?" in unknown.stderr
        assert document("models", "restore", "yours", home=home)["id"] == 1 and folder.is_dir()
        assert document("models", "rm", "1", "--for-good", home=home)["restorable_until"] is None
        assert document("models", "trash", home=home) == {"models": [], "total": 0}
        broken = modelforge("models", "download", "1", "--json", home=tmp_path / "other", **elsewhere)
        assert broken.returncode == 1 and list(tmp_path.glob(".*")) == []
    finally:
        server.close()
        database.close()
