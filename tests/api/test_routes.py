"""Routes of an application beside the server: what clients send, and what an end at a bad moment leaves."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from modelforge.api.limits import MAX_BODY, MAX_DEPTH, is_deep
from modelforge.contracts.base import now
from modelforge.contracts.job import JobState
from modelforge.datasets.prepared import folder_of
from modelforge.settings import Settings, load_settings
from modelforge.store.database import Database
from modelforge.store.tables import JobRow, ModelRow
from tests.live import jsonl, rows

ORIGIN = "https://page.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", allowed_origins=[f"{ORIGIN.upper()}/"])


@pytest.fixture
def database(client: TestClient, settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


def add_model(database: Database, settings: Settings, name: str) -> Path:
    folder = settings.models / name
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with database.session() as session:
        session.add(
            ModelRow(
                name=name, base_model="b", task="t", provider="p", strategy="s", created_at=now(), size_mb=1.5,
                path=str(folder), job_id="j", dataset="d", training_params={}, metrics={},
            )
        )  # fmt: skip
    return folder


def add_job(database: Database, settings: Settings, model_name: str, spec: dict[str, Any]) -> None:
    run = settings.runs / "train_1"
    run.mkdir()
    (run / "spec.json").write_text(json.dumps(spec))
    with database.session() as session:
        session.add(
            JobRow(
                id="train_1", name="new", status=JobState.TRAINING, task="t", strategy="s", provider="p",
                model_name=model_name, dataset="d", config={}, token="t", created_at=now(),
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status"),
    [("x" * 300, 400), ("a\0b", 400), ("~nosuchuser/x", 404), ("/" + "y" * 300, 400), ("what is it", 404)],
)
def test_a_model_that_cannot_be_is_refused_by_the_playground(client: TestClient, name: str, status: int) -> None:
    reply = client.post("/api/playground/generate", json={"model_name": name, "prompt": "x"})
    assert reply.status_code == status and "model_name" in reply.json()["detail"], reply.text


@pytest.mark.parametrize("headers", [{"origin": "http://["}, {"host": "["}, {"host": "[::1"}, {"origin": "null"}])
def test_odd_hosts_and_origins_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/api/stop_training", headers=headers).status_code == 403


def test_an_allowed_origin_is_one_for_the_guard_and_for_the_browser(client: TestClient) -> None:
    reply = client.post("/api/stop_training", headers={"origin": ORIGIN})
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (409, ORIGIN)


@pytest.mark.parametrize(
    ("origin", "method", "status", "said"),
    [
        (ORIGIN, "POST", 200, None),
        (ORIGIN, "BREW", 400, "Disallowed CORS method"),
        ("https://evil.example", "POST", 403, "https://evil.example"),
    ],
)
def test_a_preflight_is_refused_in_the_form_of_every_error(
    client: TestClient, origin: str, method: str, status: int, said: str | None
) -> None:
    asked = {"origin": origin, "access-control-request-method": method}
    reply = client.options("/api/stop_training", headers=asked)
    assert reply.status_code == status
    assert reply.headers.get("access-control-allow-origin") == (ORIGIN if origin == ORIGIN else None)
    if said is not None:
        assert said in reply.json()["detail"] and reply.json()["status_code"] == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/start_training", "POST"),
        ("POST", "/api/models/1", "DELETE, GET, PATCH"),
        ("HEAD", "/api/health", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: TestClient, method: str, path: str, allowed: str) -> None:
    reply = client.request(method, path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    assert method == "HEAD" or reply.json()["detail"].endswith(f"it takes {allowed}")


def test_an_unknown_path_is_told_the_nearest_one_and_not_in_full_length(client: TestClient) -> None:
    assert "Did you mean '/api/models'?" in client.get("/api/model").json()["detail"]
    assert len(client.get("/" + "x" * 10_000).json()["detail"]) < 300


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"task": \xff}', "not UTF-8 text"),
        (b"[" * 100_000, "nested more than 100 levels deep"),
        ('{"task": "x"}'.encode("utf-16"), "not JSON in UTF-8"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "nested more than 100 levels deep"),
        (b'{"a":[' * 50 + b"]}" * 50, "there is no field 'a'"),
        (b'{"lora_r": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"task"', "not valid JSON: Expecting ':' delimiter at byte 7"),
        (b'{"\\ud800": 1}', "a field name: must be a valid string"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(client: TestClient, body: bytes, said: str) -> None:
    reply = client.post("/api/start_training", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400 and said in reply.json()["detail"], reply.text


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, False),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), True),
        (b'{"a":[' * 60 + b"]}" * 60, True),
        (b"[" + b"[[]]," * 1000 + b"{}]", False),
        (json.dumps({"prompt": '[{"' * 1000, "x": "\\"}).encode(), False),
        (b'"' + b'\\"[' * 1000, False),  # a text that nothing closes
        (b"[" * (MAX_DEPTH + 1), True),
        (b"]" * 500 + b"[", False),
    ],
)
def test_how_deep_json_is(body: bytes, deep: bool) -> None:
    assert is_deep(body) is deep


@pytest.mark.parametrize("piece", [b"[]", b'"', b'\\"', b"[", b"\\", b'["'])
def test_no_body_makes_that_slow(piece: bytes) -> None:
    body = b"[" * MAX_DEPTH + piece * (MAX_BODY // len(piece))
    began = time.process_time()
    is_deep(body)
    assert time.process_time() - began < 2  # a second where it is quadratic would be a day


def test_uploads_of_one_name_at_once_get_a_version_each(client: TestClient) -> None:
    def upload(count: int) -> Any:
        return client.post("/api/upload_dataset", files={"file": ("same.jsonl", jsonl(rows(count)))}).json()

    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(upload, range(10, 22)))
    assert sorted(reply["version"] for reply in replies) == list(range(1, 13)), replies


def test_a_deleted_dataset_takes_its_prepared_rows_along(client: TestClient, settings: Settings) -> None:
    for name, count in (("one.jsonl", 12), ("other.jsonl", 13)):
        client.post("/api/upload_dataset", files={"file": (name, jsonl(rows(count)))})
        entry = folder_of(settings.home) / f"{client.get(f'/api/datasets/{name}').json()['sha256']}.0123"
        entry.mkdir(parents=True)
        (entry / "train.arrow").touch()
    assert client.delete("/api/datasets/one.jsonl").status_code == 200
    left = client.get("/api/datasets/other.jsonl").json()["sha256"]
    assert [path.name for path in folder_of(settings.home).iterdir()] == [f"{left}.0123"]


def test_a_folder_without_its_row_is_in_nobodys_way(client: TestClient, settings: Settings) -> None:
    (settings.datasets / "1").mkdir()
    reply = client.post("/api/upload_dataset", files={"file": ("rows.jsonl", jsonl(rows(12)))})
    assert reply.status_code == 200, reply.text
    assert Path(client.get("/api/datasets/rows.jsonl").json()["path"]).is_file()


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'"'
        for _ in range(MAX_BODY // 1_000_000 + 1):
            yield b"x" * 1_000_000

    bodies: list[Any] = [b"x" * (MAX_BODY + 1), pieces()]
    for body in bodies:
        reply = client.post("/api/playground/generate", content=body, headers={"content-type": "application/json"})
        assert reply.status_code == 413 and "8 MB" in reply.json()["detail"], reply.text
    ask: dict[str, Any] = {"model_id": 9, "prompt": "ü" * 1_000_000}
    escaped: dict[str, Any] = {"content": json.dumps(ask), "headers": {"content-type": "application/json"}}
    assert client.post("/api/playground/generate", **escaped).status_code == 404
    large = jsonl([{"input": "x" * 1_000_000, "output": "y"} for _ in range(10)])
    assert client.post("/api/upload_dataset", files={"file": ("large.jsonl", large)}).status_code != 413


def test_a_log_is_told_by_its_lines(client: TestClient, database: Database, settings: Settings) -> None:
    add_job(database, settings, "m", {})
    (settings.runs / "train_1" / "worker.log").write_bytes(b"one\n 1%\r 2%\nthree")
    assert client.get("/api/jobs/train_1/log?offset=1&limit=1").json()["lines"] == [" 1%\r 2%"]
    assert client.get("/api/jobs/train_1/log").json()["total"] == 3
    assert client.get("/api/jobs/train_1/log?tail=2").json() == {
        "job_id": "train_1",
        "lines": [" 1%\r 2%", "three"],
        "total": 3,
    }
    refused = client.get("/api/jobs/train_1/log?tail=2&limit=1")
    assert refused.status_code == 400 and "tail:" in refused.json()["detail"]


def test_jobs_are_listed_by_their_states(client: TestClient, database: Database, settings: Settings) -> None:
    add_job(database, settings, "m", {})
    with database.session() as session:
        state = session.scalars(select(JobRow.status)).one()

    def total(query: str) -> int:
        found = client.get(f"/api/jobs?{query}").json()
        assert len(found["jobs"]) == found["total"]
        return int(found["total"])

    others = [other for other in JobState if other != state]
    assert total(f"status={state}") == total(f"status={others[0]}&status={state}") == 1
    assert total("&".join(f"status={other}" for other in others)) == 0
    assert client.get("/api/jobs?status=gone").status_code == 400


@pytest.mark.parametrize(
    ("model_name", "spec"),
    [
        ("BASE", {}),
        ("{folder}", {"model": {"path": "{folder}"}}),
        ("{folder}", {"model": {"path": "/other", "adapter": "{folder}"}}),
    ],
)
def test_a_model_that_is_trained_on_stays(
    client: TestClient, database: Database, settings: Settings, model_name: str, spec: dict[str, Any]
) -> None:
    folder = add_model(database, settings, "base")
    add_job(database, settings, model_name, json.loads(json.dumps(spec).replace("{folder}", str(folder))))
    reply = client.delete("/api/models/1")
    assert reply.status_code == 409 and "train_1" in reply.json()["detail"]
    assert folder.is_dir() and client.get("/api/models").json()["total"] == 1


def test_ids_are_those_that_every_database_takes(client: TestClient) -> None:
    assert client.get(f"/api/models/{2**31 - 1}").status_code == 404
    assert client.get(f"/api/models/{2**31}").status_code == 400


def test_trainings_are_the_servers_business(client: TestClient, database: Database, settings: Settings) -> None:
    add_job(database, settings, "m", {})
    config = {"task": "text-generation", "model_name": "m", "dataset": "d"}
    for path, body in (
        ("start_training", config),
        ("stop_training", None),
        ("jobs", config),
        ("jobs/train_1/resume", None),
        ("jobs/train_1/stop", None),
        ("jobs/train_1/move?position=1", None),
    ):
        reply = client.post(f"/api/{path}", json=body)
        assert reply.status_code == 409 and "modelforge serve" in reply.json()["detail"], reply.text


@pytest.mark.parametrize("path", ["/api/start_training", "/api/jobs"])
@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "schlüssel".encode()])
def test_a_key_that_cannot_be_one_is_refused(client: TestClient, path: str, key: str | bytes) -> None:
    config = {"task": "text-generation", "model_name": "m", "dataset": "d"}
    reply = client.post(path, json=config, headers={"Idempotency-Key": key})
    assert reply.status_code == 400 and reply.json()["detail"].startswith("Idempotency-Key: "), reply.text


def test_an_unknown_field_of_a_job_is_told_the_nearest(client: TestClient) -> None:
    config = {"task": "text-generation", "model_name": "m", "dataset": "d", "lora_rank": 4}
    assert "lora_r" in client.post("/api/jobs", json=config).json()["detail"]


def test_the_lock_names_a_server_only_while_it_lives(settings: Settings) -> None:
    from filelock import FileLock

    from modelforge.api.app import check_home
    from modelforge.errors import Conflict

    settings.make_folders()
    with FileLock(settings.home / "server.lock"):
        for record, named in (
            ({"pid": os.getpid(), "url": "http://x:1"}, True),
            ({"pid": 2**22 + 1, "url": "http://x:1"}, False),
            ([], False),
        ):
            (settings.home / "server.json").write_text(json.dumps(record))
            with pytest.raises(Conflict) as refusal:
                check_home(settings)
            assert ("http://x:1" in refusal.value.detail) is named
        (settings.home / "server.json").write_text("{")
        with pytest.raises(Conflict, match="another ModelForge uses"):
            check_home(settings)


def test_every_route_that_takes_a_body_says_that_it_may_be_too_large(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    silent = [path for path, routes in paths.items() if "post" in routes and "413" not in routes["post"]["responses"]]
    assert silent == []
