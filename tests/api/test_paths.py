"""What paths in a request may lead to, by who asks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from modelforge.api.app import create_app
from modelforge.api.caller import Caller
from modelforge.api.deps import roots_of
from modelforge.catalogue import ASSETS, DEMO_DATASET
from modelforge.settings import Settings, load_settings
from tests.live import jsonl, rows

PROXIED = {"X-Forwarded-For": "10.0.0.7"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    return load_settings(home=tmp_path / "home", data_roots=[])


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    # A start needs a supervisor; it is refused before anything runs.
    with TestClient(create_app(settings), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        yield client


def refusal(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> str:
    config = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": str(DEMO_DATASET), **fields}
    began = time.monotonic()
    # The last thing that is checked is the name.
    reply = client.post("/api/start_training", json={**config, "name": "modelforge-starter"}, headers=headers or {})
    assert time.monotonic() - began < 20
    assert reply.status_code in (400, 404, 409, 415), reply.text
    return str(reply.json()["detail"])


def test_the_users_home_is_for_the_user_of_this_machine(client: TestClient, settings: Settings, tmp_path: Path) -> None:
    for folder in (tmp_path / "user", settings.home, tmp_path):
        (folder / "rows.jsonl").write_bytes(jsonl(rows(20)))
    token = client.app.state.modelforge.keys.token  # type: ignore[attr-defined]
    owner = {"Authorization": f"Bearer {token}"}
    everyone: list[dict[str, str]] = [owner, {}, PROXIED]
    for path, readers in (
        (DEMO_DATASET, everyone),
        (settings.home / "rows.jsonl", everyone),
        (tmp_path / "user" / "rows.jsonl", [owner, {}]),
        (tmp_path / "rows.jsonl", [owner]),
    ):
        for caller in everyone:
            said = refusal(client, caller, dataset=str(path))
            if caller in readers:
                assert "exists already" in said, said
            else:
                assert "MODELFORGE_DATA_ROOTS" in said, said
    # What is asked of the playground, too.
    for headers, status in ((PROXIED, 400), ({}, 404)):
        body = {"model_name": "~/no-model", "prompt": "x"}
        reply = client.post("/api/playground/generate", json=body, headers=headers)
        assert reply.status_code == status and ("DATA_ROOTS" in reply.text) is (status == 400)


def test_roots_that_are_set_hold_for_all(settings: Settings, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"data_roots": [tmp_path / "data"]})
    for caller in Caller:
        assert roots_of(caller, chosen) == [tmp_path / "data", settings.home, ASSETS]


def test_links_are_followed(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(jsonl(rows(20)))
    user = tmp_path / "user"
    (user / "escape.jsonl").symlink_to(tmp_path / "rows.jsonl")
    assert "MODELFORGE_DATA_ROOTS" in refusal(client, dataset=str(user / "escape.jsonl"))
    (user / "blob").write_bytes(jsonl(rows(20)))
    (user / "inside.jsonl").symlink_to(user / "blob")
    assert "exists already" in refusal(client, dataset="~/inside.jsonl")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_pipes_and_devices_hang_nothing(client: TestClient, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "user" / "pipe.jsonl")
    (tmp_path / "user" / "zero.jsonl").symlink_to("/dev/zero")
    assert "a device or a pipe" in refusal(client, dataset="~/pipe.jsonl")
    assert "MODELFORGE_DATA_ROOTS" in refusal(client, dataset="~/zero.jsonl")
    token = client.app.state.modelforge.keys.token  # type: ignore[attr-defined]
    assert "a device or a pipe" in refusal(client, {"Authorization": f"Bearer {token}"}, dataset="/dev/zero")
    model = tmp_path / "user" / "model"
    model.mkdir()
    os.mkfifo(model / "config.json")
    assert "a device or a pipe" in refusal(client, model_name="~/model")
    reply = client.post("/api/playground/generate", json={"model_name": "~/model", "prompt": "x"})
    assert reply.status_code == 400 and "a device or a pipe" in reply.text


def test_code_of_models_needs_the_servers_word_as_well(client: TestClient, settings: Settings, tmp_path: Path) -> None:
    assert "MODELFORGE_ALLOW_REMOTE_CODE" in refusal(client, trust_remote_code=True)
    # A folder that says of itself that it was trained so is not believed, either.
    folder = tmp_path / "user" / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    spec = {
        "schema_version": 1, "job_id": "train_1", "name": "m", "created_at": "2026-01-01T00:00:00Z", "device": "cpu",
        "config": {"task": "text-generation", "model_name": "m", "dataset": "d", "trust_remote_code": True},
        "dataset": {"name": "d", "path": "/d", "sha256": "0" * 64, "num_examples": 10, "shape": "input_output"},
        "model": {"name": "m", "source": "hub", "path": "some/model"},
        "output_dir": str(folder), "modelforge_version": "0",
    }  # fmt: skip
    ask = {"model_name": "~/model", "prompt": "x"}
    (folder / "spec.json").write_text(json.dumps(spec))
    assert "MODELFORGE_ALLOW_REMOTE_CODE" in client.post("/api/playground/generate", json=ask).json()["detail"]
    # Nor that its weights lie where it may not lead us.
    spec["config"]["trust_remote_code"] = False  # type: ignore[index]
    spec["model"] = {"name": "m", "source": "folder", "path": str(tmp_path)}
    (folder / "spec.json").write_text(json.dumps(spec))
    assert "MODELFORGE_DATA_ROOTS" in client.post("/api/playground/generate", json=ask).json()["detail"]


def test_code_of_models_is_run_where_the_server_allows_it(settings: Settings) -> None:
    allowed = settings.model_copy(update={"allow_remote_code": True})
    with TestClient(create_app(allowed), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        assert "exists already" in refusal(client, trust_remote_code=True)
