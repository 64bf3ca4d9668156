"""Renaming, deleting and restoring models, and what an end at a bad moment leaves of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modelforge.api import trash
from modelforge.api.app import create_app
from modelforge.api.trash import Trash
from modelforge.catalogue import STARTER
from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, JobState, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict
from modelforge.jobs.origin import check_place
from modelforge.settings import Settings, load_settings
from modelforge.store.database import Database
from modelforge.store.models import folder_for
from modelforge.store.tables import DeletedModelRow, JobRow, ModelRow


@pytest.fixture
def database(client: TestClient, settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


def add_model(database: Database, settings: Settings, name: str, base: str = "b", **files: str) -> Path:
    """A model whose run started from ``base``; ``files`` by their names without the ending."""
    folder = settings.models / name
    folder.mkdir()
    spec = RunSpec(
        job_id=f"train_{name}", name=name, created_at=now(), device="cpu", output_dir=str(folder),
        config=TrainingConfig(task="text-generation", model_name=base, dataset="d"),
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        model=ModelRef(name=base, source="folder", path=base), modelforge_version="0",
    )  # fmt: skip
    for file, text in {"spec": spec.model_dump_json(), "config": "{}", **files}.items():
        (folder / f"{file}.json").write_text(text)
    params = {"num_epochs": 1, "batch_size": 4, "learning_rate": 0.1}
    with database.session() as session:
        session.add(
            ModelRow(
                name=name, base_model=base, task="t", provider="p", strategy="s", created_at=now(), size_mb=1.5,
                path=str(folder), job_id=spec.job_id, dataset="d", training_params=params, metrics={"final_loss": 0.5},
                lineage=[{"name": base}],
            )
        )  # fmt: skip
    return folder


def add_job(database: Database, settings: Settings, name: str, state: JobState, **spec: Any) -> Path:
    run = settings.runs / "train_1"
    run.mkdir()
    (run / "spec.json").write_text(json.dumps(spec))
    with database.session() as session:
        session.add(
            JobRow(
                id="train_1", name=name, status=state, task="t", strategy="s", provider="p", model_name="other",
                dataset="d", config={}, token="t", created_at=now(),
            )
        )  # fmt: skip
    return run


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def rename(client: TestClient, id: int, name: str) -> tuple[int, str]:
    reply = client.patch(f"/api/models/{id}", json={"name": name})
    return reply.status_code, reply.text


def test_a_model_comes_back_as_it_was(client: TestClient, database: Database, settings: Settings) -> None:
    folder = add_model(database, settings, "mine")
    before, held = client.get("/api/models/1").json(), files(folder)
    reply = client.delete("/api/models/1")
    assert reply.status_code == 200
    assert {**reply.json(), "restorable_until": 0} == {
        "status": "deleted", "message": "Model deleted successfully", "restorable_until": 0,
    }  # fmt: skip
    assert not folder.exists() and client.get("/api/models").json()["total"] == 0
    assert client.delete("/api/models/1").status_code == 404 and client.get("/api/models/1").status_code == 404

    (deleted,) = client.get("/api/trash").json()["models"]
    assert (deleted["id"], deleted["name"], deleted["size_mb"]) == (1, "mine", 1.5)
    assert deleted["restorable_until"] == reply.json()["restorable_until"] > deleted["deleted_at"]

    assert client.post("/api/trash/1/restore").json() == before == client.get("/api/models/1").json()
    assert files(folder) == held and client.get("/api/trash").json()["total"] == 0
    assert client.post("/api/trash/1/restore").status_code == 404


def test_one_whose_name_is_taken_comes_back_when_that_is_free(
    client: TestClient, database: Database, settings: Settings
) -> None:
    add_model(database, settings, "Mine")
    client.delete("/api/models/1")
    with database.session() as session:
        assert folder_for(session, settings.models, "mine", "train_2") == settings.models / "mine.train_2"
        assert folder_for(session, settings.models, "other", "train_2") == settings.models / "other"
    add_model(database, settings, "mine")  # case does not count
    reply = client.post("/api/trash/1/restore")
    assert reply.status_code == 409 and "'Mine' exists already" in reply.json()["detail"]
    assert client.get("/api/trash").json()["total"] == 1
    assert rename(client, 2, "new")[0] == 200
    assert client.post("/api/trash/1/restore").status_code == 200
    assert [model["name"] for model in client.get("/api/models").json()["models"]] == ["Mine", "new"]


@pytest.mark.parametrize(
    ("name", "output_dir", "said"), [("mine", "/x", "job train_1 is to make"), ("other", "{folder}", "of job train_1")]
)
def test_none_comes_back_where_a_job_is_to_put_another(
    client: TestClient, database: Database, settings: Settings, name: str, output_dir: str, said: str
) -> None:
    folder = add_model(database, settings, "mine")
    client.delete("/api/models/1")
    add_job(database, settings, name, JobState.TRAINING, output_dir=output_dir.format(folder=folder))
    reply = client.post("/api/trash/1/restore")
    assert reply.status_code == 409 and said in reply.json()["detail"], reply.text
    assert client.get("/api/trash").json()["total"] == 1 and not folder.exists()


def test_none_comes_back_over_another_ones_folder(client: TestClient, database: Database, settings: Settings) -> None:
    folder = add_model(database, settings, "mine")
    client.delete("/api/models/1")
    folder.mkdir()
    reply = client.post("/api/trash/1/restore")
    assert reply.status_code == 409 and "another model's by now" in reply.json()["detail"]
    assert files(folder) == {} and client.get("/api/trash").json()["total"] == 1


def test_adapter_and_base_go_and_come_in_order(client: TestClient, database: Database, settings: Settings) -> None:
    base = add_model(database, settings, "base")
    add_model(database, settings, "tuned", str(base), adapter_config="{}")
    assert client.delete("/api/models/1").status_code == 409  # tuned needs it
    assert client.delete("/api/models/2").status_code == 200
    assert client.delete("/api/models/1").status_code == 200
    early = client.post("/api/trash/2/restore")
    assert early.status_code == 409 and "trash/1/restore" in early.json()["detail"]
    needed = client.delete("/api/trash/1")
    assert needed.status_code == 409 and "'tuned'" in needed.json()["detail"]
    assert client.post("/api/trash/1/restore").status_code == 200
    assert client.post("/api/trash/2/restore").status_code == 200


def test_for_good(client: TestClient, database: Database, settings: Settings) -> None:
    add_model(database, settings, "mine")
    client.delete("/api/models/1")
    reply = client.delete("/api/trash/1")
    assert reply.json() == {
        "status": "deleted", "message": "Model deleted successfully", "restorable_until": None,
    }  # fmt: skip
    assert list(settings.trash.iterdir()) == [] and client.get("/api/trash").json()["total"] == 0
    assert client.delete("/api/trash/1").status_code == 404
    add_model(database, settings, "mine")
    assert client.get("/api/models").json()["models"][0]["id"] == 2  # ids are never used again


def test_a_model_without_a_folder_is_not_kept(client: TestClient, database: Database, settings: Settings) -> None:
    shutil.rmtree(add_model(database, settings, "mine"))
    assert client.delete("/api/models/1").json()["restorable_until"] is None
    assert client.get("/api/trash").json()["total"] == 0


def test_zero_days_delete_at_once(settings: Settings) -> None:
    settings = settings.model_copy(update={"trash_days": 0.0})
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as client:
        database = Database(settings.database)
        add_model(database, settings, "mine")
        assert client.delete("/api/models/1").json()["restorable_until"] is None
        assert client.get("/api/trash").json()["total"] == 0
        assert list(settings.models.iterdir()) == [settings.trash] and list(settings.trash.iterdir()) == []
        database.close()


def test_what_has_lain_for_its_days_goes(client: TestClient, database: Database, settings: Settings) -> None:
    base = add_model(database, settings, "base")
    add_model(database, settings, "tuned", str(base), adapter_config="{}")
    add_model(database, settings, "young")
    for id in (2, 1, 3):
        client.delete(f"/api/models/{id}")
    with database.session() as session:
        for row in session.query(DeletedModelRow).where(DeletedModelRow.id < 3):
            row.deleted_at -= timedelta(days=settings.trash_days, seconds=1)
    Trash(settings, database).expire()
    assert [row["name"] for row in client.get("/api/trash").json()["models"]] == ["young"]
    assert [path.name for path in settings.trash.iterdir()] == ["3.train_young"]


def test_a_folder_that_cannot_be_moved_leaves_the_model(
    client: TestClient, database: Database, settings: Settings
) -> None:
    folder = add_model(database, settings, "mine")
    settings.trash.rmdir()
    settings.trash.write_text("in the way")
    reply = client.delete("/api/models/1")
    assert reply.status_code == 500 and "Nothing was changed" in reply.json()["detail"], reply.text
    assert folder.is_dir() and client.get("/api/models").json()["total"] == 1


class _KilledError(BaseException):
    """The process ends here, as by kill -9: nothing is undone."""


@pytest.mark.parametrize("moment", ["before the move", "after the move"])
@pytest.mark.parametrize("what", ["put", "restore", "remove"])
def test_an_end_at_any_moment_is_put_right(
    client: TestClient,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    moment: str,
) -> None:
    folder = add_model(database, settings, "mine")
    held = files(folder)
    bin = Trash(settings, database)
    if what != "put":
        bin.put(1)

    def cut(self: Trash, start: Path, end: Path, undo: object) -> None:
        if moment == "after the move":
            start.replace(end)
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Trash, "_move", cut)
        with pytest.raises(_KilledError):
            getattr(bin, what)(1)
    _agree(bin, database, settings, folder, held, gone=what == "remove" and moment == "after the move")


@pytest.mark.parametrize("what", ["put", "restore", "remove"])
def test_a_commit_whose_move_is_lost_is_put_right(
    client: TestClient,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """As after a power cut: the database was written and the renamed folder was not."""
    folder = add_model(database, settings, "mine")
    held = files(folder)
    bin = Trash(settings, database)
    if what != "put":
        bin.put(1)
    with monkeypatch.context() as patch:
        patch.setattr(Trash, "_move", lambda *_: None)
        getattr(bin, what)(1)
    if what == "remove":
        # Nobody's folder: it may be known to a database that was lost, and stays.
        bin.reconcile()
        assert [path.name for path in settings.trash.iterdir()] == ["1.train_mine"]
    else:
        _agree(bin, database, settings, folder, held, gone=False)


def _agree(
    bin: Trash, database: Database, settings: Settings, folder: Path, held: dict[str, str], *, gone: bool
) -> None:
    """After a start, the model is in the registry or in the trash, with all its files there, or gone from both."""
    bin.reconcile()
    with database.session() as session:
        models, deleted = session.query(ModelRow).count(), session.query(DeletedModelRow).count()
    assert models + deleted == (0 if gone else 1)
    assert folder.is_dir() == bool(models)
    assert len(list(settings.trash.iterdir())) == deleted
    if deleted:
        bin.restore(1)
    if not gone:
        assert files(folder) == held


def test_a_start_reconciles(client: TestClient, database: Database, settings: Settings) -> None:
    folder = add_model(database, settings, "mine")
    folder.replace(settings.trash / "1.train_mine")
    with TestClient(create_app(settings), base_url="http://localhost") as server:
        assert server.get("/api/models").json()["total"] == 1 and folder.is_dir()


def test_a_folder_of_another_model_is_left_where_it_is(
    client: TestClient, database: Database, settings: Settings
) -> None:
    folder = add_model(database, settings, "mine")
    client.delete("/api/models/1")
    shutil.rmtree(settings.trash / "1.train_mine")
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps({"job_id": "train_2"}))
    Trash(settings, database).reconcile()
    assert list(files(folder)) == ["spec.json"] and list(settings.trash.iterdir()) == []


def test_a_renamed_model_keeps_its_id_and_its_folder(
    client: TestClient, database: Database, settings: Settings
) -> None:
    folder = add_model(database, settings, "mine")
    add_model(database, settings, "tuned", str(folder), adapter_config="{}")
    before = client.get("/api/models/1").json()
    reply = client.patch("/api/models/1", json={"name": "Yours"})
    assert reply.json() == {**before, "name": "Yours"} == client.get("/api/models/1").json()
    assert reply.json()["path"] == str(folder) and folder.is_dir()
    assert rename(client, 1, "yours")[0] == 200  # its own name, in another case
    kept = client.delete("/api/models/1")
    assert kept.status_code == 409 and "'tuned' is an adapter of 'yours'" in kept.json()["detail"]
    assert rename(client, 2, "mine")[0] == 200  # free now


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("TAKEN", 409, "'TAKEN' exists already"),
        ("taken", 409, "'taken' exists already"),
        (STARTER, 409, "exists already"),
        ("made", 409, "job train_1 is to make"),
        ("a/b", 400, "name"),
        (".hidden", 400, "name"),
        ("", 400, "name"),
        ("x" * 97, 400, "name"),
        (None, 400, "name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    client: TestClient, database: Database, settings: Settings, name: str | None, status: int, said: str
) -> None:
    add_model(database, settings, "mine")
    add_model(database, settings, "taken")
    add_job(database, settings, "Made", JobState.QUEUED)
    found = rename(client, 1, name)  # type: ignore[arg-type]
    assert found[0] == status and said in found[1], found
    assert client.get("/api/models/1").json()["name"] == "mine"
    assert rename(client, 9, "fine")[0] == 404


def test_no_run_writes_over_a_renamed_model(client: TestClient, database: Database, settings: Settings) -> None:
    folder = add_model(database, settings, "mine")
    shutil.copytree(folder, run := settings.runs / "train_mine")
    assert rename(client, 1, "yours")[0] == 200
    with database.session() as session:
        assert folder_for(session, settings.models, "mine", "train_2") == settings.models / "mine.train_2"
    with pytest.raises(Conflict, match="where model 'yours' lies by now"):
        check_place(run, database)
    client.delete("/api/models/1")
    check_place(run, database)


@pytest.mark.parametrize("field", ["model", "reward_model"])
def test_a_model_that_a_run_reads_stays(client: TestClient, database: Database, settings: Settings, field: str) -> None:
    folder = add_model(database, settings, "mine")
    add_job(database, settings, "new", JobState.TRAINING, **{field: {"path": str(folder / "reward_model")}})
    reply = client.delete("/api/models/1")
    assert reply.status_code == 409 and "train_1" in reply.json()["detail"]
    assert rename(client, 1, "other")[0] == 200


def test_the_trash_is_swept_each_hour(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trash, "SWEEP_SECONDS", 0.01)
    settings = load_settings(home=settings.home, trash_days=0.00001)  # a second
    with TestClient(create_app(settings), base_url="http://localhost") as server:
        database = Database(settings.database)
        add_model(database, settings, "mine")
        assert server.delete("/api/models/1").json()["restorable_until"] is not None
        for _ in range(100):
            if not server.get("/api/trash").json()["total"]:
                break
            time.sleep(0.05)
        assert list(settings.trash.iterdir()) == []
        database.close()
