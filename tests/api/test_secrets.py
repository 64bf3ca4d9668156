"""No secret reaches a log, an event, a spec, an error, a reply or a process list."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from modelforge.api.caller import KEY_SUBPROTOCOL, SUBPROTOCOL
from modelforge.computing import SECRETS
from modelforge.files import read_json_or_none
from tests.cli.program import modelforge
from tests.live import ENDED, LiveServer, jsonl, rows, until

HUB_TOKEN = "hf_nobody-may-see-this-one"
OTHER_KEY = "mf_a-key-for-another-server"


@contextlib.contextmanager
def watched(root: psutil.Process) -> Iterator[dict[str, set[str]]]:
    """The command lines of a process and all that descend from it while the block runs, with the names of the
    variables in each one's environment."""
    seen: dict[str, set[str]] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    seen.setdefault(" ".join(process.cmdline()), set()).update(process.environ())
            time.sleep(0.1)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield seen
    finally:
        ended.set()
        watch.join()


def test_secrets_are_told_to_nobody(tmp_path: Path, tiny_model: Path) -> None:
    home, database = tmp_path / "home", tmp_path / "elsewhere.db"
    own = {"HF_TOKEN": HUB_TOKEN, "MODELFORGE_API_KEY": OTHER_KEY, "MODELFORGE_DATABASE_URL": f"sqlite:///{database}"}
    server = LiveServer(home, **own).start()
    assert server.process is not None and server.process.stdout is not None
    made = modelforge("keys", "create", home=home, **own)
    key = made.stdout.strip()
    until(lambda: httpx.get(f"{server.url}/api/models").status_code == 401, 5)
    token = read_json_or_none(home / "server.json")["token"]
    secrets = (key, token, HUB_TOKEN, OTHER_KEY, str(database))
    told: list[str] = []

    with (
        watched(psutil.Process(server.process.pid)) as seen,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=300) as client,
    ):

        def ask(method: str, path: str, status: int = 200, **options: Any) -> Any:
            reply = client.request(method, path, **options)
            assert reply.status_code == status, reply.text
            told.append(f"{reply.headers} {reply.text}")
            return reply.json()

        ask("POST", "/api/upload_dataset", files={"file": ("rows.jsonl", jsonl(rows(12)))})
        config = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "max_steps": 2}
        for name in ("good", "bad"):  # one that completes, and one whose worker fails with a trace in its log
            more = {"target_modules": ["no_such_layer"]} if name == "bad" else {}
            job_id = ask("POST", "/api/start_training", json={**config, **more, "name": name})["job_id"]
            until(lambda job_id=job_id: ask("GET", f"/api/jobs/{job_id}")["status"] in ENDED, 240)  # type: ignore[misc]
            ask("GET", f"/api/jobs/{job_id}/log")
        ask("POST", "/api/playground/generate", json={"model_name": "good", "prompt": "x", "max_new_tokens": 2})
        ask("POST", "/api/start_training", 404, json={**config, "model_name": "nobody/such-model"})
        ask("POST", "/api/start_training", 400, json={**config, "no_such_field": 1})
        ask("POST", "/api/start_training", 400, content=b"{", headers={"content-type": "application/json"})
        ask("GET", "/api/none", 404)
        ask("GET", "/api/models", 401, headers={"Authorization": f"Bearer {key}x"})
        for offered, query in (((SUBPROTOCOL, KEY_SUBPROTOCOL + key), ""), ((KEY_SUBPROTOCOL + key,), "?after=x")):
            address = f"{server.url.replace('http', 'ws')}/ws/training{query}"
            protocols = [Subprotocol(each) for each in offered]
            with contextlib.suppress(WebSocketException), connect(address, subprotocols=protocols) as socket:
                assert socket.response is not None
                told.append(f"{socket.response.headers} {socket.recv(timeout=10)!r}")
        said = modelforge("jobs", "list", "--json", home=home, **own)
        assert json.loads(said.stdout)["total"] == 2, said.stderr
        told += [
            said.stdout,
            said.stderr,
            modelforge("doctor", "--json", home=home, **own).stdout.replace(str(database), ""),
        ]

    server.close()
    told.append(server.process.stdout.read().decode())
    workers = {line: names for line, names in seen.items() if "modelforge.worker" in line or "inference" in line}
    assert len(workers) >= 3
    for line, names in workers.items():
        assert names.isdisjoint(SECRETS), line
        assert "HF_TOKEN" in names
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {"worker.log", "events.jsonl", "spec.json", "inference.log"} <= {path.name for path in files}
    for secret in secrets:
        assert [line for line in seen if secret in line] == []
        assert [text for text in told if secret in text] == []
        assert [path for path in [*files, database] if secret.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("field", ["api_key"])
def test_settings_do_not_show_a_secret(tmp_path: Path, field: str) -> None:
    from modelforge.settings import load_settings

    settings = load_settings(home=tmp_path, **{field: OTHER_KEY})
    assert OTHER_KEY not in f"{settings!r} {settings} {settings.model_dump()}"
