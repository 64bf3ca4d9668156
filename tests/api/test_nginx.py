"""A real nginx in front of a real server, by the very configuration that the operations guide shows."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.docs.pages import DOCS, blocks
from tests.live import LiveServer, jsonl, rows, until

pytestmark = [
    pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed on this machine")
    for program in ("nginx", "openssl")
]

NAME = "forge.example.org"
USER = ("ada", "a password of several words")
PAGE = DOCS / "guide" / "operations.md"


def of_page(language: str, word: str) -> str:
    """The one block of the guide in that language that has the word in it."""
    (block,) = [block for block in blocks(PAGE, language) if word in block]
    return block


def replaced(text: str, **by: str) -> str:
    """The text with what only this test's machine has in the place of what the guide names; each must be there."""
    for old, new in by.items():
        assert old in text, f"the guide does not name {old} any more"
        text = text.replace(old, new)
    return text


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Site:
    """nginx at two free ports over a server of its own, and a client that trusts its certificate alone."""

    def __init__(self, folder: Path, server: LiveServer) -> None:
        self.server = server
        self.http, self.https = free_ports(2)
        self.host = f"{NAME}:{self.https}"
        commands = replaced(
            of_page("bash", "openssl req"),
            **{"/etc/nginx": str(folder), "openssl passwd -apr1": f"openssl passwd -apr1 '{USER[1]}'"},
        )
        subprocess.run(["bash", "-euc", commands], check=True, capture_output=True)
        block = replaced(
            of_page("nginx", "server_name"),
            **{
                "/etc/nginx": str(folder),
                "http://127.0.0.1:8000": server.url,
                "listen 80;": f"listen 127.0.0.1:{self.http};",
                "listen 443 ssl;": f"listen 127.0.0.1:{self.https} ssl;",
            },
        )
        # Around it what a distribution's nginx.conf has, and a default of other sites that would be too short for us.
        (folder / "nginx.conf").write_text(
            f"{'user root;' if psutil.Process().uids().effective == 0 else ''}\n"
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off; proxy_read_timeout 1s; client_body_temp_path {folder}/body;\n"
            + "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
            + f"{block}\n}}\n"
        )
        self.tls = ssl.create_default_context(cafile=str(folder / "modelforge.crt"))
        self.client = httpx.Client(
            base_url=f"https://127.0.0.1:{self.https}",
            verify=self.tls,
            auth=USER,
            headers={"Host": self.host},
            timeout=60,
        )
        self.process = subprocess.Popen(
            ["nginx", "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        )
        until(self._answers, 10, lambda: (folder / "error.log").read_text())

    def _answers(self) -> bool:
        assert self.process.poll() is None, "nginx ended"
        try:
            return self.call("GET", "/studio/api/health").status_code == 200
        except httpx.TransportError:
            return False

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to the site by its name, whatever address that has."""
        return self.client.request(method, path, extensions={"sni_hostname": NAME}, **options)

    def listen(self, query: str = "", *, password: str = USER[1], **headers: str) -> ClientConnection:
        """A WebSocket through nginx."""
        credentials = httpx.BasicAuth(USER[0], password)._auth_header
        return connect(
            f"wss://{self.host}/studio/ws/training{query}",
            sock=socket.create_connection(("127.0.0.1", self.https), timeout=10),
            ssl=self.tls,
            additional_headers={"Authorization": credentials, **headers},
        )

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(timeout=10)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    settings = replaced(of_page("toml", "root_path"), **{"/srv/modelforge/shared": str(tiny_model.parent)})
    (home / "modelforge.toml").write_text(settings)
    server = LiveServer(home).start()
    server.upload("rows.jsonl", jsonl(rows(40)))
    site = Site(tmp_path_factory.mktemp("nginx"), server)
    yield site
    site.close()
    server.close()


def start(site: Site, model: Path, **fields: Any) -> str:
    config = {
        "task": "text-generation",
        "model_name": str(model),
        "dataset": "rows.jsonl",
        "logging_steps": 1,
        **fields,
    }
    reply = site.call("POST", "/studio/api/start_training", json=config | fields)
    assert reply.status_code == 200, reply.text
    job_id: str = reply.json()["job_id"]
    return job_id


def test_everything_is_encrypted(site: Site) -> None:
    reply = httpx.get(f"http://127.0.0.1:{site.http}/studio/api/info?a=b", headers={"Host": NAME})
    assert (reply.status_code, reply.headers["location"]) == (301, f"https://{NAME}/studio/api/info?a=b")
    with httpx.Client() as doubter, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        doubter.get(f"https://127.0.0.1:{site.https}/studio/api/info", extensions={"sni_hostname": NAME})
    assert site.call("GET", "/studio/api/info").json()["version"] == "v2"


@pytest.mark.parametrize("credentials", [None, (USER[0], "wrong"), ("eve", USER[1])])
def test_only_those_with_a_password_come_in(site: Site, credentials: tuple[str, str] | None) -> None:
    for path in ("/studio/", "/studio/docs", "/studio/api/health", "/studio/openapi.json"):
        with httpx.Client(base_url=f"https://127.0.0.1:{site.https}", verify=site.tls, auth=credentials) as stranger:
            reply = stranger.get(path, headers={"Host": site.host}, extensions={"sni_hostname": NAME})
        assert reply.status_code == 401 and "ModelForge" in reply.headers["www-authenticate"]
    with pytest.raises(InvalidStatus, match="401"):
        site.listen(password="wrong")


def test_the_site_is_whole_under_its_path(site: Site) -> None:
    assert site.call("GET", "/studio").headers["location"].endswith(f"{NAME}:{site.https}/studio/")
    assert site.call("GET", "/studio/").headers["content-type"].startswith("text/html")
    page = site.call("GET", "/studio/docs")
    assert "'/studio/openapi.json'" in page.text
    for script in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert site.call("GET", script).status_code == 200, script
    assert site.call("GET", "/studio/openapi.json").json()["servers"] == [{"url": "/studio"}]
    missing = site.call("GET", "/studio/api/nothing")
    assert (missing.status_code, missing.json()["status_code"]) == (404, 404)
    assert site.call("GET", "/api/health").status_code == 404


def test_a_training_is_watched_and_taken_up_again_through_it(site: Site, tiny_model: Path) -> None:
    with site.listen(Origin=f"https://{site.host}") as listener:
        first = json.loads(listener.recv(timeout=10))
        job_id = start(site, tiny_model, max_steps=12)
        points: list[dict[str, Any]] = []
        status = ""
        while status != "completed":
            message = json.loads(listener.recv(timeout=60))
            points += message["points"]
            status = message["status"] if message["job_id"] == job_id else ""
            assert status != "failed", message
    steps = {point["step"] for point in points if "loss" in point}
    assert steps == set(range(1, 13))
    # Whoever comes back with the last number that he saw misses nothing, and hears nothing twice.
    seen = points[4]["seq"]
    with site.listen(f"?after={seen}") as listener:
        again: list[int] = []
        while not again or again[-1] < points[-1]["seq"]:
            again += [point["seq"] for point in json.loads(listener.recv(timeout=10))["points"]]
    assert again == [point["seq"] for point in points if point["seq"] > seen]
    assert first["seq"] < points[0]["seq"]


def test_an_upload_goes_through_while_it_comes(site: Site) -> None:
    """nginx would keep a body until it is whole: here the server has most of it before its end was sent."""
    line = b'{"input": "what is it?", "output": "%s"}\n' % (b"x" * 100_000)
    went_through = threading.Event()

    def content() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.jsonl"\r\n\r\n'
        yield from [line] * 300
        until(lambda: sum(path.stat().st_size for path in site.server.home.glob("scratch/*")) > 20_000_000, 30)
        went_through.set()
        yield from [line] * 20
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    reply = site.call("POST", "/studio/api/upload_dataset", content=content(), headers=headers)
    assert went_through.is_set()
    assert (reply.status_code, reply.json()["num_examples"]) == (200, 320), reply.text


def test_an_answer_goes_through_while_it_is_written(site: Site, tiny_model: Path) -> None:
    """nginx would gather an answer of this size to its end: what it says first is there while the model is loaded."""
    body = {"model_name": str(tiny_model), "prompt": "Say hello.", "max_new_tokens": 5, "temperature": 0}
    came: dict[str, float] = {}
    with site.client.stream(
        "POST", "/studio/api/playground/stream", json=body, extensions={"sni_hostname": NAME}
    ) as reply:
        assert reply.status_code == 200
        for line in reply.iter_lines():
            came.setdefault(line, time.monotonic())
    assert came["event: done"] - came["event: started"] > 0.5, came


def test_a_stop_that_takes_its_time_is_answered(site: Site, tiny_model: Path) -> None:
    job_id = start(site, tiny_model, max_steps=100_000)
    with site.listen() as listener:
        until(lambda: site.call("GET", "/studio/api/training_status").json()["current_step"] is not None, 60)
        worker = psutil.Process(site.server.get(f"/api/jobs/{job_id}")["pid"])
        worker.suspend()
        timer = threading.Timer(4, worker.resume)
        timer.start()
        begin = time.monotonic()
        reply = site.call("POST", "/studio/api/stop_training")
        assert time.monotonic() - begin > 3
        assert (reply.status_code, reply.json()["job_id"]) == (200, job_id), reply.text
        # The listener had nothing to hear for longer than other sites' connections live.
        while json.loads(listener.recv(timeout=10))["status"] != "stopped":
            pass


def test_what_the_proxy_says_of_the_client_is_believed(site: Site) -> None:
    # A redirect names the scheme by which the client came.
    lied = {"X-Forwarded-Proto": "gopher", "X-Forwarded-For": "10.9.8.7"}
    for headers in ({}, lied):
        reply = site.call("GET", "/studio/api/jobs/", headers=headers)
        assert (reply.status_code, reply.headers["location"]) == (307, f"https://{site.host}/studio/api/jobs")


def test_what_somebody_else_says_of_the_client_is_not(site: Site, tmp_path: Path) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
    # From another address than the proxy's.
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as stranger:
        reply = stranger.get(f"{site.server.url}/api/jobs/", headers=told)
    assert reply.headers["location"].startswith("http://")
    # Through nginx, which is not the proxy that this server knows.
    server = LiveServer(tmp_path, MODELFORGE_FORWARDED_ALLOW_IPS="192.0.2.1").start()
    try:
        reply = httpx.get(f"{server.url}/api/jobs/", headers=told)
        assert reply.headers["location"].startswith("http://")
    finally:
        server.close()


def test_other_names_and_other_sites_pages_are_refused(site: Site) -> None:
    reply = site.call("GET", "/studio/api/info", headers={"Host": f"evil.example.com:{site.https}"})
    assert (reply.status_code, reply.json()["status_code"]) == (403, 403)
    assert "evil.example.com" in reply.json()["detail"]
    foreign = site.call("DELETE", "/studio/api/models/999", headers={"Origin": "https://evil.example.com"})
    assert (foreign.status_code, foreign.json()["status_code"]) == (403, 403)
    with pytest.raises(InvalidStatus, match="403"):
        site.listen(Origin="https://evil.example.com")
    own = site.call("DELETE", "/studio/api/models/999", headers={"Origin": f"https://{site.host}"})
    assert own.status_code == 404
