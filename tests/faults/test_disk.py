"""A disk that is really full: a small one of its own, in memory, which the test mounts and fills."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modelforge.files import size_mb
from modelforge.memory import storage
from modelforge.specfile import spec_of
from modelforge.worker import checkpoints
from tests.faults.harm import start, step_of
from tests.live import LiveServer, jsonl, rows, until

FILLER = "filler"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, *, leave: int = 0) -> None:
    """Take all room of the disk but for ``leave`` bytes."""
    with (disk / FILLER).open("wb", buffering=0) as file:
        left = shutil.disk_usage(disk).free - leave
        while left > 0:
            try:
                left -= file.write(bytes(min(left, 1 << 20)))
            except OSError:
                return


def make_room(disk: Path) -> None:
    (disk / FILLER).unlink()


def sound(path: Path) -> bool:
    with sqlite3.connect(path) as connection:
        return list(connection.execute("PRAGMA integrity_check")) == [("ok",)]


@pytest.mark.fault("disk full")
def test_an_upload_leaves_nothing(disk: Path) -> None:
    server = LiveServer(disk / "home").start()
    try:
        fill(disk, leave=1 << 20)
        before = shutil.disk_usage(disk).free
        refused = server.upload("large.jsonl", jsonl(rows(60_000)), status=500)
        assert refused["error"] == "Disk full" and "make room" in refused["detail"]
        assert list((server.home / "scratch").iterdir()) == []
        assert shutil.disk_usage(disk).free == before
        assert server.get("/api/datasets")["datasets"] == []
        make_room(disk)
        assert server.upload("large.jsonl", jsonl(rows(60_000)))["num_examples"] == 60_000
    finally:
        server.close()


@pytest.mark.fault("disk full")
def test_an_upload_in_pieces_keeps_what_came_and_goes_on(disk: Path) -> None:
    content = jsonl(rows(60_000))
    server = LiveServer(disk / "home").start()
    metadata = f"filename {base64.b64encode(b'large.jsonl').decode()}"
    piece = {"Content-Type": "application/offset+octet-stream"}
    try:
        headers = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata}
        where = f"/api/uploads/{server.call('POST', '/api/uploads', status=201, headers=headers)['id']}"
        fill(disk, leave=1 << 20)
        refused = server.call("PATCH", where, status=500, headers={**piece, "Upload-Offset": "0"}, content=content)
        assert refused["error"] == "Disk full" and "What came is kept" in refused["detail"]
        offset = server.get(where)["offset"]
        kept = (server.home / "uploads" / where.rpartition("/")[2] / "data").read_bytes()
        assert 0 < offset == len(kept) and content.startswith(kept)
        # Nor is it told before anything is sent that there is room where there is none.
        refused = server.call("POST", "/api/uploads", status=500, headers=headers)
        assert refused["error"] == "Disk full"
        make_room(disk)
        rest = {**piece, "Upload-Offset": str(offset)}
        reply = httpx.patch(f"{server.url}{where}", headers=rest, content=content[offset:], timeout=60)
        assert reply.status_code == 204, reply.text
        operation = server.post(f"{where}/dataset", status=202)
        until(lambda: server.get(f"/api/operations/{operation['id']}")["status"] == "completed", 60)
        assert Path(server.get("/api/datasets/large.jsonl")["path"]).read_bytes() == content
    finally:
        server.close()


@pytest.mark.fault("disk full")
def test_a_checkpoint_that_has_no_room_costs_none_that_is_whole(disk: Path, tiny_model: Path) -> None:
    server = LiveServer(disk / "home").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        job_id = start(server, tiny_model, num_train_epochs=40)
        saved = server.home / "runs" / job_id / "checkpoints"
        until(lambda: len(checkpoints.sealed_steps(saved)) == 2, 90)
        fill(disk)
        job = server.wait(job_id)
        assert (job["status"], job["cause"]) == ("failed", "disk_full"), (job["error"], job["log_tail"])
        assert "Make room and resume" in job["error"]
        newest, left_out = checkpoints.latest_valid(saved)
        assert newest is not None and left_out == []
        spec = spec_of(server.home / "runs" / job_id)
        described = json.loads((tiny_model / "config.json").read_text())
        assert spec is not None and (needs := storage(described, spec.config)) is not None
        assert size_mb(newest) == pytest.approx(needs.checkpoint, rel=0.1, abs=0.1)  # as the preflight reckons
        assert sound(server.home / "modelforge.db")
        make_room(disk)
        reply = server.post(f"/api/jobs/{job_id}/resume")
        assert f"step {newest.name.split('-')[1]}" in reply["message"]
        job = server.wait(job_id)
        assert job["status"] == "completed", job["error"]
    finally:
        server.close()


@pytest.mark.fault("disk full")
def test_a_model_that_has_no_room_is_none(disk: Path, tmp_path: Path, tiny_model: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(disk)
    server = LiveServer(home).start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        job_id = start(server, tiny_model, num_train_epochs=10, name="small")
        until(lambda: step_of(server) >= 3, 90)
        fill(disk)
        job = server.wait(job_id)
        assert (job["status"], job["cause"]) == ("failed", "disk_full"), (job["error"], job["log_tail"])
        assert [path.name for path in disk.glob("[!.]*")] == [FILLER]
        assert server.get("/api/models")["models"] == []
        make_room(disk)
        server.post(f"/api/jobs/{job_id}/resume")
        assert server.wait(job_id)["status"] == "completed"
    finally:
        server.close()


@pytest.mark.fault("disk full")
def test_the_database_is_whole_when_there_is_room_again(disk: Path, tmp_path: Path, tiny_model: Path) -> None:
    database = disk / "index.db"
    server = LiveServer(tmp_path / "home", MODELFORGE_DATABASE_URL=f"sqlite:///{database}").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        job_id = start(server, tiny_model, num_train_epochs=10)
        until(lambda: step_of(server) >= 3, 90)
        fill(disk)
        refused = server.upload("more.jsonl", jsonl(rows(2000)), status=500)
        assert refused["error"] == "Database error" and "Make room" in refused["detail"]
        # The worker goes on meanwhile, and what it says waits in its file.
        until(lambda: (server.home / "runs" / job_id / "exit.json").exists(), 90)
        make_room(disk)
        job = server.wait(job_id)
        assert job["status"] == "completed", job["error"]
        steps = [point["step"] for point in server.get(f"/api/jobs/{job_id}/metrics")["metrics"]]
        assert steps == list(range(1, job["total_steps"] + 1))
        assert [each["filename"] for each in server.get("/api/datasets")["datasets"]] == ["rows.jsonl"]
    finally:
        server.close()
    assert sound(database)


def test_what_cannot_fit_is_refused_with_the_figures(disk: Path, tiny_model: Path) -> None:
    server = LiveServer(disk / "home").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        fill(disk, leave=2 << 20)
        body = {
            "task": "text-generation",
            "dataset": "rows.jsonl",
            "model_name": str(tiny_model),
            "save_total_limit": 50,
        }
        refused = server.post("/api/start_training", body, status=400)
        assert "51 checkpoints of 0." in refused["detail"] and "2.1 MB are free" in refused["detail"]
        assert list((server.home / "runs").iterdir()) == []
        assert server.get("/api/jobs")["total"] == 0
    finally:
        server.close()
