"""Files and folders of the server's machine, and the samples, become datasets."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from modelforge.api.app import create_app
from modelforge.api.imports import FETCHING, source_of
from modelforge.contracts.imports import ImportRequest
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import RESERVED
from modelforge.datasets.stages import untold
from modelforge.datasets.validate import validate
from modelforge.errors import InvalidRequest, NotFound
from modelforge.samples import FOLDER, SAMPLES, file_of, readme
from modelforge.settings import Settings, load_settings
from modelforge.store.tables import DatasetRow
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from tests.live import jsonl, rows

PROXIED = {"X-Forwarded-For": "10.0.0.7"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    return load_settings(home=tmp_path / "home", data_roots=[])


@pytest.fixture
def user(settings: Settings, tmp_path: Path) -> Path:
    return tmp_path / "user"


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        yield client


def bring(client: TestClient, **request: Any) -> dict[str, Any]:
    """The operation, when it has ended."""
    reply = client.post("/api/datasets/import", json=request)
    assert reply.status_code == 202, reply.text
    operation: dict[str, Any] = reply.json()
    end = time.monotonic() + 60
    while operation["status"] == "running":
        assert time.monotonic() < end
        time.sleep(0.05)
        operation = client.get(f"/api/operations/{operation['id']}").json()
    return operation


def refusal(client: TestClient, status: int = 400, headers: dict[str, str] | None = None, **request: Any) -> str:
    reply = client.post("/api/datasets/import", json=request, headers=headers or {})
    assert reply.status_code == status, reply.text
    return str(reply.json()["detail"])


def row_of(client: TestClient, filename: str) -> DatasetRow:
    from modelforge.store.datasets import get_dataset

    with client.app.state.modelforge.database.session() as session:  # type: ignore[attr-defined]
        return get_dataset(session, filename)


def test_a_file_is_copied_and_stays(client: TestClient, settings: Settings, user: Path) -> None:
    path = user / "faq.jsonl"
    path.write_bytes(jsonl(rows(20)))
    operation = bring(client, path="~/faq.jsonl")
    assert operation["status"] == "completed", operation["error"]
    assert (operation["result"]["filename"], operation["result"]["num_examples"]) == ("faq.jsonl", 20)
    kept = row_of(client, "faq.jsonl")
    assert Path(kept.path).read_bytes() == path.read_bytes() == jsonl(rows(20))
    assert kept.change["how"] == "import" and kept.change["details"]["path"] == str(path.resolve())
    assert list(settings.scratch.iterdir()) == []


def test_all_of_a_folder_that_can_be_read_is_one_dataset(client: TestClient, user: Path) -> None:
    """In the order of names, whatever kind each is of; what is left out is told."""
    folder = user / "faq"
    folder.mkdir()
    (folder / "3.jsonl.gz").write_bytes(gzip.compress(jsonl(rows(30)[20:])))
    (folder / "1.jsonl").write_bytes(jsonl(rows(10)).rstrip(b"\n"))
    lines = [f"{row['input']},{row['output']}" for row in rows(20)[10:]]
    (folder / "2.csv").write_text("\n".join(["input,output", *lines]))
    (folder / "notes.md").write_text("# Notes")
    (folder / ".hidden.jsonl").write_bytes(jsonl(rows(5)))
    (folder / "inner").mkdir()
    operation = bring(client, path=str(folder), name="all of it.jsonl")
    assert operation["status"] == "completed", operation["error"]
    assert operation["result"]["num_examples"] == 30
    kept = row_of(client, "all of it.jsonl")
    assert [json.loads(line) for line in Path(kept.path).read_text().splitlines()] == rows(30)
    assert kept.change["details"]["left_out"] == [".hidden.jsonl", "inner", "notes.md"]
    assert kept.change["summary"] == f"3 files of the folder {folder}, without 3 other things in it"
    parts = operation["result"]["validation"]["source"]["parts"]
    assert [(part["name"], part["rows"]) for part in parts] == [("1.jsonl", 10), ("2.csv", 10), ("3.jsonl", 10)]


def test_how_it_is_read_can_be_said(client: TestClient, user: Path) -> None:
    lines = ["input;output", *(f"wie groß ist {i}?;größer als {i - 1}" for i in range(12))]
    (user / "fragen.csv").write_bytes("\n".join(lines).encode("cp1252"))
    operation = bring(client, path="~/fragen.csv", encoding="cp1252", delimiter=";")
    assert operation["status"] == "completed", operation["error"]
    assert (operation["result"]["filename"], operation["result"]["num_examples"]) == ("fragen.csv", 12)
    assert json.loads(Path(row_of(client, "fragen.csv").path).read_text().splitlines()[0])["input"] == "wie groß ist 0?"


def test_answers_in_other_words_can_be_mapped_once_they_are_here(client: TestClient, user: Path) -> None:
    """b-mc2/sql-create-context and the like: as questions about a text no row is usable, and yet all are."""
    asked = [
        {"context": "CREATE TABLE head (age INTEGER)", "question": f"How many are over {i}?", "answer": f"SELECT {i}"}
        for i in range(12)
    ]
    (user / "sql.jsonl").write_bytes(jsonl(asked))
    result = bring(client, path="~/sql.jsonl")["result"]
    assert result["num_examples"] == 0 and not result["validation"]["valid"]
    (best, *_) = client.get("/api/datasets/sql.jsonl/mapping").json()["suggestions"]
    assert best["mapping"] == {
        "shape": "input_output", "fields": {"input": "{context}\n\n{question}", "output": "{answer}"}
    }  # fmt: skip
    assert best["usable"] == 12
    sent = client.post("/api/upload_dataset", files={"file": ("sql.jsonl", jsonl(asked))})
    assert sent.status_code == 400 and "does not stand word for word" in sent.json()["detail"]


def test_only_what_the_server_reads_for_one(client: TestClient, settings: Settings, user: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(jsonl(rows(20)))
    (user / "rows.jsonl").write_bytes(jsonl(rows(20)))
    assert "MODELFORGE_DATA_ROOTS" in refusal(client, path=str(tmp_path / "rows.jsonl"))
    assert "MODELFORGE_DATA_ROOTS" in refusal(client, path=str(tmp_path / "nobody-knows-whether-this-is-there"))
    assert "MODELFORGE_DATA_ROOTS" in refusal(client, headers=PROXIED, path="~/rows.jsonl")
    folder = user / "folder"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(jsonl(rows(20)))
    (folder / "out.jsonl").symlink_to(tmp_path / "rows.jsonl")
    assert "out.jsonl lies outside" in refusal(client, path=str(folder))
    (folder / "out.jsonl").unlink()
    (folder / "b.jsonl").symlink_to(user / "rows.jsonl")
    assert bring(client, path=str(folder))["result"]["num_examples"] == 40


def test_a_link_has_its_own_name(client: TestClient, user: Path) -> None:
    """As in the hub's cache, where a file is a link to one that is called by its digest."""
    (user / "blobs").mkdir()
    (user / "blobs" / "3f9a1c5b").write_bytes(jsonl(rows(20)))
    (user / "train.jsonl").symlink_to(user / "blobs" / "3f9a1c5b")
    assert bring(client, path="~/train.jsonl")["result"]["filename"] == "train.jsonl"
    (user / "folder").mkdir()
    (user / "folder" / "train.jsonl").symlink_to(user / "blobs" / "3f9a1c5b")
    assert bring(client, path="~/folder")["result"]["validation"]["source"] is not None


def test_what_became_a_link_out_of_the_roots_is_not_read(settings: Settings, user: Path, tmp_path: Path) -> None:
    """Between the request and its turn, which may be long."""
    (tmp_path / "secret.jsonl").write_bytes(jsonl(rows(20)))
    (user / "rows.jsonl").write_bytes(jsonl(rows(20)))
    source = source_of(ImportRequest(path=str(user / "rows.jsonl")), [user], 10**9)
    (user / "rows.jsonl").unlink()
    (user / "rows.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(InvalidRequest, match="lies outside"):
        asyncio.run(source.bring(tmp_path, untold))
    (user / "rows.jsonl").unlink()
    with pytest.raises(NotFound, match="is gone"):
        asyncio.run(source.bring(tmp_path, untold))
    assert not list(tmp_path.glob("0*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_pipes_hang_nothing(client: TestClient, user: Path) -> None:
    os.mkfifo(user / "pipe.jsonl")
    assert "a device or a pipe" in refusal(client, path="~/pipe.jsonl")
    (user / "folder").mkdir()
    os.mkfifo(user / "folder" / "pipe.jsonl")
    assert "no file that can be read" in refusal(client, path="~/folder")


def test_what_is_not_there_or_is_no_data(client: TestClient, settings: Settings, user: Path) -> None:
    assert "no file or folder" in refusal(client, 404, path="~/none.jsonl")
    assert "sheet: must have at most" in refusal(client, sample="demo", sheet="x" * 200_000)
    (user / "picture.png").write_bytes(b"x")
    assert "'.png'" in refusal(client, 415, path="~/picture.png")
    (user / "empty").mkdir()
    assert "no file that can be read" in refusal(client, path="~/empty")
    (user / "few.jsonl").write_bytes(jsonl(rows(3)))
    assert "3 usable examples" in bring(client, path="~/few.jsonl")["error"]
    assert client.get("/api/datasets").json()["total"] == 0
    assert list(settings.datasets.iterdir()) == list(settings.scratch.iterdir()) == []


def test_no_more_comes_than_may(settings: Settings, user: Path) -> None:
    (user / "large.jsonl").write_bytes(jsonl(rows(40_000)))
    small = settings.model_copy(update={"max_upload_mb": 1})
    with TestClient(create_app(small), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        assert "MODELFORGE_MAX_UPLOAD_MB" in refusal(client, 413, path="~/large.jsonl")


def test_every_sample_is_imported_by_its_name(client: TestClient) -> None:
    told = client.get("/api/samples").json()
    assert [each["name"] for each in told["samples"]] == [sample.name for sample in SAMPLES]
    for sample in told["samples"]:
        operation = bring(client, sample=sample["name"])
        assert operation["status"] == "completed", operation["error"]
        assert operation["result"]["filename"] == sample["filename"]
        assert operation["result"]["num_examples"] == sample["rows"]
        assert operation["result"]["validation"]["valid"]
        assert row_of(client, sample["filename"]).change["details"] == {"sample": sample["name"]}
    assert "Did you mean 'demo'?" in refusal(client, 404, sample="demoo")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_can_be_trained_on_as_its_card_says(sample: Any) -> None:
    report = validate(file_of(sample))
    assert (report.valid, report.num_examples, report.num_rows) == (True, sample.rows, sample.rows)
    assert report.num_examples >= 10 and report.shape is not None
    assert set(sample.fields) <= {field for form in SHAPES.get(report.shape).forms for field in form.fields}
    assert sample.strategies
    for strategy in sample.strategies:
        assert report.shape in STRATEGIES.get(strategy).shapes(TASKS.get(sample.task))


def test_there_is_a_sample_for_each_task_and_strategy() -> None:
    assert {sample.task for sample in SAMPLES} == set(TASKS.names())
    assert {strategy for sample in SAMPLES for strategy in sample.strategies} == set(STRATEGIES.names())
    assert {path.name for path in FOLDER.glob("*.jsonl")} == {sample.filename for sample in SAMPLES}
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)


def test_the_folders_readme_is_made_of_the_cards() -> None:
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == readme()


def test_the_chats_are_those_that_are_made() -> None:
    from starter.chats import chats

    lines = (FOLDER / "chats.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["messages"] for line in lines] == list(chats())


def test_no_dataset_is_called_what_stands_in_the_paths_of_datasets(client: TestClient, tmp_path: Path) -> None:
    assert isinstance(client.app, FastAPI)
    paths = [path.split("/") for path in client.app.openapi()["paths"]]
    fixed = {parts[3] for parts in paths if parts[:3] == ["", "api", "datasets"] and len(parts) > 3}
    assert {name for name in fixed if not name.startswith("{")} == RESERVED
    content = jsonl(rows(12))
    for name in RESERVED:
        said = f"no dataset can be called '{name}'"
        for written in (name, f"folder/{name}", f" {name}. "):
            form = {"file": ("rows.jsonl", content)}
            reply = client.post("/api/upload_dataset", params={"name": written}, files=form)
            assert reply.status_code == 400 and said in reply.json()["detail"]
            assert said in refusal(client, sample="demo", name=written)
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(content)),
            "Upload-Metadata": "filename YS5qc29ubA==",
        }
        at = client.post("/api/uploads", headers=headers).headers["location"]
        piece = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert client.patch(at, content=content, headers=piece).status_code == 204
        made = client.post(f"{at}/dataset", params={"name": name}, headers={"Tus-Resumable": "1.0.0"})
        assert made.status_code == 400 and said in made.json()["detail"]
        assert client.post("/api/upload_dataset", files={"file": (f"{name}.jsonl", content)}).status_code == 200
    assert client.get("/api/datasets").json()["total"] == len(RESERVED)


def test_an_import_tells_how_far_it_is(client: TestClient, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[float] = []
    (user / "rows.csv").write_text("input,output\n" + "".join(f"{i} {'x' * 300},y\n" for i in range(400_000)))
    operation = client.post("/api/datasets/import", json={"path": str(user / "rows.csv")}).json()
    while operation["status"] == "running":
        operation = client.get(f"/api/operations/{operation['id']}").json()
        heard.append(operation["progress"])
        time.sleep(0.02)
    assert operation["status"] == "completed", operation["error"]
    assert heard == sorted(heard) and len({share for share in heard if FETCHING < share < 1}) >= 3
