"""Where a server says that it is, and who may read what it writes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx
import pytest

from modelforge.files import write_atomic
from tests.live import LiveServer


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_server_on_all_addresses_says_one_that_can_be_used(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, MODELFORGE_HOST="::").start()
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
