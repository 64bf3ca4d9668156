"""Where a server says that it is, and who may read what it writes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from modelforge.files import write_atomic
from tests.live import LiveServer, until


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_server_on_all_addresses_says_one_that_can_be_used(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, MODELFORGE_HOST="::")
    server.make_key()
    server.start()
    assert server.url.startswith("http://[::1]:")
    assert httpx.get(f"{server.url}/api/health").status_code == 200
    server.close()
    assert not (tmp_path / "server.json").exists()


def test_its_files_are_its_owners_and_anothers_record_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    server = LiveServer(tmp_path).start()
    for name in ("modelforge.db", "server.json", "server.lock"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
    other = json.dumps({"pid": 1, "url": "http://127.0.0.1:9"})
    write_atomic(tmp_path / "server.json", other)
    server.close()
    assert (tmp_path / "server.json").read_text() == other


def test_a_proxy_may_take_the_root_path_off_or_leave_it(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, MODELFORGE_ROOT_PATH="studio/").start()
    for path in ("", "/studio"):
        assert server.get(f"{path}/api/health")["status"] == "healthy"
        assert server.get(f"{path}/openapi.json")["servers"] == [{"url": "/studio"}]
        assert "'/studio/openapi.json'" in httpx.get(f"{server.url}{path}/docs").text
        home = httpx.get(f"{server.url}{path}/")
        assert home.status_code == 200 and home.headers["content-type"].startswith("text/html")
        with connect(f"{server.url.replace('http', 'ws')}{path}/ws/training") as listener:
            assert json.loads(listener.recv(timeout=10))["status"] == "idle"
        # Only uploads may be large.
        content = b'{"input": "a", "output": "%s"}\n' % (b"x" * 1_000_000) * 12
        reply = httpx.post(f"{server.url}{path}/api/upload_dataset", files={"file": ("large.jsonl", content)})
        assert reply.status_code == 200, reply.text
    for path in ("/studiox/api/health", "/studio/studio/api/health"):
        server.call("GET", path, status=404)
    server.close()


def test_no_more_listen_than_may(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, MODELFORGE_MAX_LISTENERS="2").start()
    address = f"{server.url.replace('http', 'ws')}/ws/training"
    with connect(address) as first, connect(address) as second:
        with pytest.raises(InvalidStatus) as refusal, connect(address):
            pass
        told = json.loads(refusal.value.response.body or b"")
        assert told["status_code"] == 409 and "MODELFORGE_MAX_LISTENERS" in told["detail"]
        assert first.recv(timeout=10) == second.recv(timeout=10)
        first.close()
        until(lambda: _may_listen(address), 10)
    server.close()


def _may_listen(address: str) -> bool:
    try:
        with connect(address) as socket:
            return bool(socket.recv(timeout=10))
    except InvalidStatus:
        return False


def test_what_is_no_http_is_refused_in_the_form_of_every_error(tmp_path: Path) -> None:
    server = LiveServer(tmp_path).start()
    host, _, port = server.url.removeprefix("http://").partition(":")
    for sent in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(sent)
            told = b"".join(iter(lambda: client.recv(65_536), b""))
        head, _, body = told.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ") and json.loads(body)["status_code"] == 400, told
    server.close()
