"""What the machine and the home folder are said to hold, and what is removed of it."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from starlette.testclient import TestClient

from modelforge import hardware
from modelforge.api.trash import Trash
from modelforge.contracts.base import now
from modelforge.contracts.job import JobState
from modelforge.contracts.system import CLEANABLE
from modelforge.providers import PROVIDERS
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.tables import JobRow
from tests.api.test_trash import add_model
from tests.cli.program import document, modelforge

MB = 1_000_000


@pytest.fixture
def database(client: TestClient, settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    yield database
    database.close()


def add_run(database: Database, settings: Settings, state: JobState) -> Path:
    run = settings.runs / f"train_{state}"
    (run / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    (run / "checkpoints" / "checkpoint-3" / "weights").write_bytes(bytes(2 * MB))
    (run / "worker.log").write_bytes(bytes(MB))
    (run / "events.jsonl").write_bytes(bytes(3 * MB))
    with database.session() as session:
        session.add(
            JobRow(
                id=run.name, name=state, status=state, task="t", strategy="s", provider="p", model_name="other",
                dataset="d", config={}, token="t", created_at=now(),
            )
        )  # fmt: skip
    return run


def stored(client: TestClient) -> dict[str, tuple[float, float]]:
    return {row["kind"]: (row["size_mb"], row["freeable_mb"]) for row in client.get("/api/system").json()["storage"]}


def clean(client: TestClient, *kinds: str) -> dict[str, float]:
    reply = client.post("/api/system/clean", json={"kinds": kinds})
    assert reply.status_code == 200, reply.text
    freed = {row["kind"]: row["size_mb"] for row in reply.json()["freed"]}
    assert reply.json()["size_mb"] == pytest.approx(sum(freed.values()))
    return freed


def test_the_machine_is_told(client: TestClient, settings: Settings) -> None:
    told = client.get("/api/system").json()
    assert told["hardware"]["cpu_count"] == hardware.detect().cpu_count and told["home"] == str(settings.home)
    assert [row["name"] for row in told["providers"]] == PROVIDERS.names()
    assert all(row["ready"] or row["reason"] for row in told["providers"])
    versions = {row["name"]: row["version"] for row in told["packages"]}
    assert versions["torch"] and versions["transformers"]
    use = client.get("/api/system/use").json()
    assert 0 <= use["cpu_percent"] <= 100 and len(use["gpus"]) == len(told["use"]["gpus"])
    assert 0 < use["memory_used_gb"] < use["memory_gb"] == round(psutil.virtual_memory().total / 1e9, 2)
    assert 0 <= use["disk_free_gb"] <= use["disk_gb"]


def test_gpus_say_how_busy_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for the driver, where the machine has none: a device that does not tell its power."""
    import pynvml

    class Memory:
        total, used = 80_000_000_000, 20_000_000_000

    class Rates:
        gpu = 37

    def no_power(handle: int) -> int:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    told = {
        "nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index, "nvmlDeviceGetName": lambda handle: f"GPU {handle}",
        "nvmlDeviceGetMemoryInfo": lambda handle: Memory, "nvmlDeviceGetUtilizationRates": lambda handle: Rates,
        "nvmlDeviceGetTemperature": lambda handle, kind: 51, "nvmlDeviceGetPowerUsage": no_power,
    }  # fmt: skip
    for name, function in told.items():
        monkeypatch.setattr(pynvml, name, function)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.model_dump() for gpu in hardware.use(Path("/")).gpus] == [
        {
            "name": "GPU 1", "busy_percent": 37, "memory_used_gb": 20.0, "memory_gb": 80.0, "temperature_c": 51,
            "power_w": None,
        }
    ]  # fmt: skip


def test_runs_lose_what_nobody_needs(client: TestClient, database: Database, settings: Settings) -> None:
    runs = {state: add_run(database, settings, state) for state in JobState}
    found = stored(client)
    assert found["checkpoints"] == (2, 2)
    assert found["resumable_checkpoints"] == (6, 6)  # failed, stopped, interrupted
    assert found["runs"] == (8 * 3 + 4 * 2, 0)  # with the checkpoints of those that wait or run
    assert found["logs"] == (8, 4)
    assert clean(client, "checkpoints", "logs") == {"checkpoints": 2, "logs": 4}
    left = {state: sorted(path.name for path in run.iterdir()) for state, run in runs.items()}
    assert left.pop(JobState.COMPLETED) == ["events.jsonl"]
    for state, names in left.items():
        ended = state in (JobState.FAILED, JobState.STOPPED, JobState.INTERRUPTED)
        assert names == ["checkpoints", "events.jsonl", *([] if ended else ["worker.log"])], state
    assert clean(client, "resumable_checkpoints") == {"resumable_checkpoints": 6}
    assert (runs[JobState.TRAINING] / "checkpoints" / "checkpoint-3" / "weights").is_file()
    assert (runs[JobState.QUEUED] / "checkpoints" / "checkpoint-3" / "weights").is_file()
    assert not (runs[JobState.STOPPED] / "checkpoints").exists()
    assert clean(client, *CLEANABLE)["checkpoints"] == 0


def test_a_resume_that_comes_meanwhile_keeps_its_checkpoints(
    client: TestClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelforge.api.storage import Storage

    run = add_run(database, settings, JobState.STOPPED)
    monkeypatch.setattr(Storage, "_state", lambda self, job_id: JobState.QUEUED)
    assert clean(client, "resumable_checkpoints") == {"resumable_checkpoints": 0}
    assert (run / "checkpoints" / "checkpoint-3" / "weights").stat().st_size == 2 * MB


def test_what_a_killed_server_was_removing_goes(client: TestClient, database: Database, settings: Settings) -> None:
    run = add_run(database, settings, JobState.COMPLETED)
    (run / "checkpoints").rename(run / ".checkpoints.gone")
    assert stored(client)["checkpoints"] == (2, 2)
    assert clean(client, "checkpoints") == {"checkpoints": 2}
    assert sorted(path.name for path in run.iterdir()) == ["events.jsonl", "worker.log"]


def test_caches_stay_while_a_job_runs(client: TestClient, database: Database, settings: Settings) -> None:
    rows = settings.home / "cache" / "datasets" / "a.b" / "rows"
    rows.parent.mkdir(parents=True)
    rows.write_bytes(bytes(4 * MB))
    run = add_run(database, settings, JobState.TRAINING)
    os.link(rows, run / "rows")  # as runs have them
    assert stored(client)["caches"] == (2, 0) and clean(client, "caches") == {"caches": 0}
    with database.session() as session:
        session.query(JobRow).one().status = JobState.COMPLETED
    assert stored(client)["caches"] == (2, 2)
    assert clean(client, "caches") == {"caches": 2} and not rows.exists()
    assert (run / "rows").stat().st_size == 4 * MB


def test_uploads_that_nobody_sends_to_go(client: TestClient, settings: Settings) -> None:
    for name in ("old.jsonl", "new.jsonl"):
        metadata = f"filename {base64.b64encode(name.encode()).decode()}"
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(MB), "Upload-Metadata": metadata}
        assert client.post("/api/uploads", headers=headers).status_code == 201
    old = next(path for path in settings.uploads.iterdir() if "old" in (path / "about.json").read_text())
    (old / "data").write_bytes(bytes(MB // 2))
    os.utime(old / "data", (time.time() - 3601,) * 2)
    freed = clean(client, "uploads")["uploads"]
    assert 0.5 <= freed < 0.51
    (left,) = settings.uploads.iterdir()
    assert "new" in (left / "about.json").read_text()


def test_the_trash_is_emptied_in_its_order(client: TestClient, database: Database, settings: Settings) -> None:
    base = add_model(database, settings, "base")
    add_model(database, settings, "tuned", str(base), adapter_config="{}")
    add_model(database, settings, "kept")
    for id in (2, 1):
        Trash(settings, database).put(id)
    size = stored(client)["trash"]
    assert size[0] == size[1] > 0
    assert clean(client, "trash")["trash"] == pytest.approx(size[0])
    assert client.get("/api/trash").json()["total"] == 0
    assert [row["name"] for row in client.get("/api/models").json()["models"]] == ["kept"]


@pytest.mark.parametrize("kinds", [[], ["models"], ["runs"], "trash", None, ["trash"] * 17])
def test_nothing_else_is_cleaned(client: TestClient, kinds: object) -> None:
    assert client.post("/api/system/clean", json={"kinds": kinds}).status_code == 400


def test_the_command_asks_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    cache = home / "cache" / "compiled"
    cache.mkdir(parents=True)
    (cache / "x").write_bytes(bytes(MB))
    refused = modelforge("clean", home=home, stdin="n\n")
    assert refused.returncode == 130 and "1.0 MB" in refused.stdout and "Remove" in refused.stderr and cache.exists()
    wrong = modelforge("clean", "cache", "--json", home=home)
    assert wrong.returncode == 1 and "Did you mean 'caches'?" in json.loads(wrong.stdout)["detail"]
    assert document("clean", "caches", "--yes", home=home)["freed"] == [{"kind": "caches", "size_mb": 1.0}]
    assert not cache.exists()
