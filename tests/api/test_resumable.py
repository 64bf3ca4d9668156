"""Uploads in pieces: the protocol, pieces that break off, servers that are killed, disks that are full."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from modelforge.api import resumable, tus
from modelforge.api.app import create_app
from modelforge.settings import Settings
from tests.live import LiveServer, jsonl, rows, until

ROWS = jsonl(rows(20))
BYTES = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        yield client


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def about(name: str = "rows.jsonl", **more: str) -> str:
    return ",".join(f"{key} {encode(value)}" for key, value in {"filename": name, **more}.items())


def begin(client: Any, length: int, name: str = "rows.jsonl", status: int = 201) -> Any:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": about(name)}
    reply = client.post("/api/uploads", headers=headers)
    assert reply.status_code == status, reply.text
    assert reply.headers["tus-resumable"] == "1.0.0"
    return reply


def add(client: Any, where: str, offset: int, data: Any, status: int = 204, **more: str) -> Any:
    reply = client.patch(where, headers={**BYTES, "Upload-Offset": str(offset), **more}, content=data)
    assert reply.status_code == status, reply.text
    assert reply.headers["tus-resumable"] == "1.0.0"
    return reply


def offset_of(client: Any, where: str) -> int:
    reply = client.head(where, headers={"Tus-Resumable": "1.0.0"})
    assert reply.status_code == 200 and not reply.content
    assert reply.headers["cache-control"] == "no-store"
    return int(reply.headers["upload-offset"])


def finish(client: Any, where: str, status: str = "completed") -> Any:
    """What came of making it a dataset."""
    reply = client.post(f"{where}/dataset")
    assert reply.status_code == 202, reply.text
    operation = reply.json()
    end = time.monotonic() + 60
    while operation["status"] == "running":
        assert time.monotonic() < end
        time.sleep(0.05)
        operation = client.get(f"/api/operations/{operation['id']}").json()
    assert operation["status"] == status, operation
    return operation["result"] if status == "completed" else operation["error"]


def test_what_the_server_offers(client: TestClient, settings: Settings) -> None:
    for path in ("/api/uploads", "/api/uploads/0c9f2f6a7d3e4b518a6f0d2e1b3c5a79"):
        reply = client.options(path)
        assert reply.status_code == 204
        assert reply.headers["tus-version"] == "1.0.0"
        assert set(reply.headers["tus-extension"].split(",")) == {"creation", "expiration", "checksum", "termination"}
        assert int(reply.headers["tus-max-size"]) == settings.max_upload_mb * 1_000_000
        assert "sha1" in reply.headers["tus-checksum-algorithm"].split(",")


def test_the_whole_way_as_a_browsers_client_goes_it(client: TestClient, settings: Settings) -> None:
    """The requests of tus-js-client, which resumes by a HEAD."""
    reply = begin(client, len(ROWS))
    where = reply.headers["location"]
    assert where == f"/api/uploads/{reply.json()['id']}"
    assert reply.headers["upload-expires"].endswith(" GMT")
    assert offset_of(client, where) == 0
    reply = add(client, where, 0, ROWS[:100])
    assert reply.headers["upload-offset"] == "100" and not reply.content
    assert offset_of(client, where) == 100
    assert client.head(where).headers["upload-metadata"] == about()
    assert client.get(where).json()["offset"] == 100
    assert client.post(f"{where}/dataset").status_code == 409
    add(client, where, 100, ROWS[100:])
    told = client.get("/api/uploads").json()
    assert (told["total"], told["uploads"][0]["metadata"]) == (1, {"filename": "rows.jsonl"})
    result = finish(client, where)
    assert (result["filename"], result["num_examples"], result["version"]) == ("rows.jsonl", 20, 1)
    detail = client.get("/api/datasets/rows.jsonl").json()
    assert Path(detail["path"]).read_bytes() == ROWS
    assert detail["sha256"] == hashlib.sha256(ROWS).hexdigest()
    assert client.head(where).status_code == 404
    assert list(settings.uploads.iterdir()) == []
    # Of one whose server was killed between its dataset and its end, nothing is told.
    where = begin(client, len(ROWS)).headers["location"]
    (settings.uploads / where.rpartition("/")[2] / "data").unlink()
    assert client.head(where).status_code == 404 and client.get("/api/uploads").json()["total"] == 0


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Upload-Length": "10"}, 400, "'Upload-Metadata' is missing"),
        ({"Upload-Metadata": about()}, 400, "'Upload-Length' is missing"),
        ({"Upload-Length": "-1", "Upload-Metadata": about()}, 400, "greater than or equal to 0"),
        ({"Upload-Length": "10", "Upload-Metadata": "filename ?"}, 400, "base64"),
        ({"Upload-Length": "10", "Upload-Metadata": f"filetype {encode('text/csv')}"}, 400, "no filename"),
        ({"Upload-Length": "10", "Upload-Metadata": about("picture.png")}, 415, "'.png' cannot be read"),
        ({"Upload-Length": "10", "Upload-Metadata": about("../.jsonl")}, 415, "no ending"),
        ({"Upload-Length": str(10**12), "Upload-Metadata": about()}, 413, "MODELFORGE_MAX_UPLOAD_MB"),
        ({"Upload-Length": "10", "Upload-Metadata": about(), "Tus-Resumable": "0.2.2"}, 412, "1.0.0"),
    ],
)
def test_what_cannot_begin(client: TestClient, headers: dict[str, str], status: int, said: str) -> None:
    reply = client.post("/api/uploads", headers=headers)
    assert reply.status_code == status and said in reply.json()["detail"], reply.text
    assert reply.headers["tus-resumable"] == "1.0.0"
    assert ("tus-version" in reply.headers) == (status == 412)
    assert client.get("/api/uploads").json()["uploads"] == []


def test_names_are_made_safe(client: TestClient) -> None:
    assert begin(client, 5, "../../etc/faq.jsonl").json()["filename"] == "faq.jsonl"


def test_what_cannot_be_added(client: TestClient) -> None:
    where = begin(client, 100).headers["location"]
    add(client, where, 0, b"x" * 10)
    wrong = add(client, where, 0, b"y" * 10, 409)
    assert "10 of 100 bytes" in wrong.json()["detail"]
    add(client, where, 11, b"y", 409)
    add(client, where, 10, b"y" * 91, 413)
    add(client, where, 10, iter([b"y" * 50, b"y" * 50]), 413)  # whose length nobody announced
    assert offset_of(client, where) == 10
    add(client, where, 10, b"y", 415, **{"Content-Type": "application/octet-stream"})
    add(client, where, 10, b"y", 415, **{"Content-Encoding": "gzip"})
    add(client, where, 10, b"y", 412, **{"Tus-Resumable": "2.0.0"})
    assert client.patch(where, headers=BYTES, content=b"y").status_code == 400
    assert offset_of(client, where) == 10
    for path in ("/api/uploads/none", "/api/uploads/" + "0" * 32, "/api/uploads/..%2f..%2fdatasets"):
        assert client.head(path).status_code == 404
        assert client.delete(path).status_code == 404


def test_a_piece_with_a_checksum_counts_as_a_whole(client: TestClient, settings: Settings) -> None:
    where = begin(client, len(ROWS)).headers["location"]
    half = ROWS[:300]
    for algorithm in ("sha1", "sha256"):
        wrong = base64.b64encode(hashlib.new(algorithm, b"else").digest()).decode()
        reply = add(client, where, 0, half, 460, **{"Upload-Checksum": f"{algorithm} {wrong}"})
        assert reply.json()["error"] == "Checksum mismatch"
        assert offset_of(client, where) == 0
    for bad in ("md4 aGFsbG8=", "sha1 ?"):
        add(client, where, 0, half, 400, **{"Upload-Checksum": bad})
    right = base64.b64encode(hashlib.sha1(half).digest()).decode()
    assert add(client, where, 0, half, **{"Upload-Checksum": f"sha1 {right}"}).headers["upload-offset"] == "300"
    # A server that was killed before it had looked at all of a piece does not know of it.
    folder = settings.uploads / where.rpartition("/")[2]
    (folder / "unchecked").write_text("300")
    with (folder / "data").open("ab") as data:
        data.write(b"half a piece")
    assert client.get("/api/uploads").json()["uploads"][0]["offset"] == 300
    add(client, where, 300, ROWS[300:])
    assert finish(client, where)["num_examples"] == 20


def test_giving_it_up(client: TestClient, settings: Settings) -> None:
    where = begin(client, 100).headers["location"]
    add(client, where, 0, b"x" * 10)
    assert client.delete(where, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    assert list(settings.uploads.iterdir()) == []
    assert client.delete(where).status_code == 404
    # Where only POST comes through.
    where = begin(client, 100).headers["location"]
    override = {"X-HTTP-Method-Override": "PATCH", **BYTES, "Upload-Offset": "0"}
    assert client.post(where, headers=override, content=b"x" * 7).headers["upload-offset"] == "7"
    assert client.get(where, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200
    assert client.post(where, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204


def test_what_is_no_dataset_stays_to_be_looked_at(client: TestClient) -> None:
    where = begin(client, 20).headers["location"]
    add(client, where, 0, b'{"input": "a"}\n' + b"\n" * 5)
    assert "Invalid dataset" in finish(client, where, "failed")
    assert offset_of(client, where) == 20
    assert client.get("/api/datasets").json()["total"] == 0


def test_other_sites_pages_are_kept_out(client: TestClient) -> None:
    where = begin(client, 10).headers["location"]
    foreign = {"Origin": "https://elsewhere.example"}
    for method in ("PATCH", "DELETE"):
        assert client.request(method, where, headers=foreign).status_code == 403
    assert client.post("/api/uploads", headers=foreign).status_code == 403
    assert offset_of(client, where) == 0


def test_pages_that_are_allowed_may_speak_it(settings: Settings) -> None:
    friend = "https://studio.example"
    allowed = settings.model_copy(update={"allowed_origins": [friend]})
    with TestClient(create_app(allowed), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        for method in ("POST", "HEAD", "PATCH", "DELETE"):
            asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "tus-resumable"}
            assert client.options("/api/uploads", headers={"Origin": friend, **asks}).status_code == 200
        headers = {"Origin": friend, "Upload-Length": "5", "Upload-Metadata": about()}
        told = client.post("/api/uploads", headers=headers).headers["access-control-expose-headers"].lower()
        assert {"location", "upload-offset", "tus-resumable"} <= {name.strip() for name in told.split(",")}


def test_the_sweep_at_the_start(settings: Settings) -> None:
    settings.make_folders()
    names = ("0" * 32, "1" * 32)
    for name in names:
        folder = settings.uploads / name
        folder.mkdir()
        told = {"filename": "a.jsonl", "length": 9, "metadata": {}, "created_at": "2026-01-01T00:00:00+00:00"}
        (folder / "about.json").write_text(json.dumps(told))
        (folder / "data").write_bytes(b"abc")
    past = time.time() - settings.upload_expiry_hours * 3600 - 5
    os.utime(settings.uploads / names[0] / "data", (past, past))
    with TestClient(create_app(settings, supervise=False), base_url="http://localhost") as beside:
        assert beside.get("/api/uploads").json()["total"] == 2
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        until(lambda: not (settings.uploads / names[0]).exists(), 10)
        assert [each["id"] for each in client.get("/api/uploads").json()["uploads"]] == [names[1]]


def test_the_sweep_goes_on_while_the_server_runs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "SWEEP_SECONDS", 0.05)
    short = settings.model_copy(update={"upload_expiry_hours": 0.5 / 3600})
    settings.make_folders()
    stray = settings.uploads / ".DS_Store"  # a file manager's, older than any upload may be
    stray.touch()
    os.utime(stray, (0, 0))
    with TestClient(create_app(short), base_url="http://localhost", client=("127.0.0.1", 5)) as client:
        where = begin(client, 100).headers["location"]
        assert client.head(where).status_code == 200
        until(lambda: client.head(where).status_code == 404, 10)
        assert list(settings.uploads.iterdir()) == [stray]


def test_no_more_at_once_than_may(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "MAX_OPEN", 2)
    begin(client, 10), begin(client, 10)
    assert "2 uploads are under way" in begin(client, 10, status=409).json()["detail"]


def test_no_room_is_told_before_anything_is_sent(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=9)
    monkeypatch.setattr(resumable.shutil, "disk_usage", lambda _: full)
    begin(client, 9)
    assert begin(client, 10, status=500).json()["error"] == "Disk full"


def connect(server: LiveServer, where: str, offset: int, length: int) -> socket.socket:
    """A connection that has announced a piece, and sent nothing of it."""
    address = urlsplit(server.url)
    assert address.hostname and address.port
    line = socket.create_connection((address.hostname, address.port), timeout=10)
    head = [
        f"PATCH {where} HTTP/1.1",
        f"Host: {address.netloc}",
        f"Content-Length: {length}",
        f"Upload-Offset: {offset}",
    ]
    head += [f"{name}: {value}" for name, value in BYTES.items()]
    line.sendall("\r\n".join([*head, "", ""]).encode())
    return line


def size_of(server: LiveServer, where: str) -> int:
    return (server.home / "uploads" / where.rpartition("/")[2] / "data").stat().st_size


def test_a_killed_server_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Every byte once, whatever was under way."""
    content = jsonl(rows(200_000))
    server = LiveServer(tmp_path / "home").start()
    with httpx.Client(base_url=server.url) as client:
        where = begin(client, len(content), "large.jsonl").headers["location"]
    offset = kills = 0
    while offset < len(content):
        line = connect(server, where, offset, len(content) - offset)
        if kills < 2:
            line.sendall(content[offset : offset + 4_000_000])
            until(lambda before=offset: size_of(server, where) > before, 20)  # type: ignore[misc]
            server.kill()
            kills += 1
            server.start()
        else:
            line.sendall(content[offset:])
            assert line.recv(12) == b"HTTP/1.1 204"
        line.close()
        with httpx.Client(base_url=server.url) as client:
            before, offset = offset, offset_of(client, where)
            assert offset == size_of(server, where) > before
    # Nor is anything lost while it is made a dataset.
    server.post(f"{where}/dataset", status=202)
    server.kill()
    server.start()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        assert client.get("/api/datasets").json()["total"] == 0
        assert offset_of(client, where) == len(content)
        assert finish(client, where)["num_examples"] == 200_000
        path = Path(client.get("/api/datasets/large.jsonl").json()["path"])
        assert path.read_bytes() == content
    server.close()


def test_a_connection_that_breaks_off_loses_nothing_that_came(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "home").start()
    with httpx.Client(base_url=server.url) as client:
        where = begin(client, len(ROWS)).headers["location"]
        with connect(server, where, 0, len(ROWS)) as line:
            line.sendall(ROWS[:123])
            time.sleep(0.5)
        until(lambda: offset_of(client, where) == 123, 10)
        add(client, where, 123, ROWS[123:])
        assert finish(client, where)["num_examples"] == 20
    server.close()


def test_a_dead_connection_does_not_keep_the_upload(tmp_path: Path) -> None:
    """Only its client knows that it is dead; the server waits for more, until the client asks again."""
    server = LiveServer(tmp_path / "home").start()
    with httpx.Client(base_url=server.url, timeout=10) as client, httpx.Client(base_url=server.url) as other:
        where = begin(client, len(ROWS)).headers["location"]
        with connect(server, where, 0, len(ROWS)) as dead:
            dead.sendall(ROWS[:77])
            time.sleep(0.5)
            assert offset_of(client, where) == 77
            assert b"409" in dead.recv(100).partition(b"\r\n")[0]
        # Nor do two that send at once mix their bytes: the later one wins, the earlier one is told.
        with connect(server, where, 77, len(ROWS) - 77) as first:
            first.sendall(ROWS[77:99])
            time.sleep(0.5)
            add(other, where, 77, b"x" * 10, 409)
            assert b"409" in first.recv(100).partition(b"\r\n")[0]
        assert offset_of(client, where) == 99
        add(client, where, 99, ROWS[99:])
        assert finish(client, where)["num_examples"] == 20
    server.close()


def test_the_address_holds_behind_a_proxy(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "home", MODELFORGE_ROOT_PATH="studio").start()
    with httpx.Client(base_url=server.url) as client:
        headers = {"Upload-Length": str(len(ROWS)), "Upload-Metadata": about()}
        for path in ("", "/studio"):
            where = client.post(f"{path}/api/uploads", headers=headers).headers["location"]
            assert where.startswith("/studio/api/uploads/")
            # More than a body may have that is gathered in memory.
            large = client.post(f"{path}/api/uploads", headers={**headers, "Upload-Length": "9000000"})
            add(client, large.headers["location"], 0, b" " * 9_000_000)
            add(client, where.removeprefix("/studio"), 0, ROWS)
    server.close()


def test_large_bodies_go_nowhere_else(client: TestClient) -> None:
    for method, path in (("POST", "/api/uploads"), ("PATCH", "/api/uploads"), ("PUT", "/api/uploads/x")):
        reply = client.request(method, path, content=b" " * 9_000_000)
        assert reply.status_code in (404, 405, 413), f"{method} {path}"
    assert client.post("/api/uploads", content=b" " * 9_000_000).status_code == 413


def test_metadata_is_read_as_it_is_written() -> None:
    told = {"filename": "größe, 1.jsonl", "empty": ""}
    header = ",".join(f"{name} {tus.encode(value)}" for name, value in told.items())
    assert tus.metadata_of(header) == told
    assert tus.metadata_of("filename YQ==, flag") == {"filename": "a", "flag": ""}
