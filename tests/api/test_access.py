"""Who gets in: keys, the server's own token, users of this machine, and who came through a proxy."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from modelforge.api import keys
from modelforge.api.app import create_app
from modelforge.api.caller import KEY_SUBPROTOCOL, SUBPROTOCOL, Caller
from modelforge.files import read_json_or_none
from modelforge.settings import Settings, load_settings
from modelforge.store.database import Database
from modelforge.store.keys import create_key, revoke_key
from tests.cli.program import document, modelforge, write_rows
from tests.live import LiveServer, until

HERE = ("127.0.0.1", 50_000)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home")
    settings.make_folders()
    return settings


def client_of(settings: Settings, address: tuple[str, int] = HERE, host: str = "localhost") -> TestClient:
    return TestClient(create_app(settings, supervise=False), base_url=f"http://{host}", client=address)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with client_of(settings) as client:
        yield client


@pytest.fixture
def key(settings: Settings) -> str:
    return make_key(settings)


def make_key(settings: Settings) -> str:
    database = Database(settings.database)
    with database.session() as session:
        key = create_key(session, "test").key
    database.close()
    return key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def routes() -> list[tuple[str, str]]:
    paths = create_app(load_settings(home=Path("/nowhere")), supervise=False).openapi()["paths"]
    return [(method.upper(), re.sub(r"\{\w+\}", "9", path)) for path, item in paths.items() for method in item]


def test_every_route_asks_for_the_key_once_there_is_one(client: TestClient, key: str) -> None:
    asked = [*routes(), ("GET", "/api/none"), ("GET", "/none"), ("OPTIONS", "/api/models")]
    assert len(asked) > 15
    for method, path in asked:
        for headers in ({}, {"Authorization": f"Basic {key}"}, {"X-API-Key": key}):
            reply = client.request(method, path, headers=headers, params={"api_key": key})
            if path == "/api/health":
                assert reply.status_code == 200
                continue
            assert reply.status_code == 401, f"{method} {path}"
            assert reply.headers["www-authenticate"] == "Bearer"
            assert set(reply.json()) == {"error", "detail", "status_code"} and reply.json()["status_code"] == 401
            assert "keys create" in reply.json()["detail"]
        if path != "/api/health":
            assert client.request(method, path, headers=bearer(key)).status_code != 401, f"{method} {path}"


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css"])
def test_a_page_gets_what_it_needs_before_it_can_ask(client: TestClient, key: str, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/static-offline-docs/../api/models", "/docs/../api/models", "//api/models", "/docs/"]
)
def test_no_way_around_by_the_path(client: TestClient, key: str, path: str) -> None:
    assert client.request("GET", f"http://localhost{path}", follow_redirects=False).status_code in (401, 404)


def test_a_wrong_key_is_refused_and_not_told_again(client: TestClient, key: str) -> None:
    for wrong in (key[:-1], key + "x", "mf_", key.upper(), "é"):
        reply = client.get("/api/models", headers={"Authorization": f"Bearer {wrong}".encode()})
        assert reply.status_code == 401 and "not known here" in reply.json()["detail"]
        assert len(wrong) < 5 or wrong not in reply.text


def test_keys_made_and_revoked_count_within_a_second(client: TestClient, settings: Settings) -> None:
    assert client.get("/api/models").status_code == 200
    key = make_key(settings)
    time.sleep(keys.FRESH_SECONDS)
    assert client.get("/api/models").status_code == 401
    assert client.get("/api/models", headers=bearer(key)).status_code == 200
    other = make_key(settings)
    database = Database(settings.database)
    with database.session() as session:
        revoke_key(session, "1")
    database.close()
    time.sleep(keys.FRESH_SECONDS)
    assert client.get("/api/models", headers=bearer(key)).status_code == 401
    assert client.get("/api/models", headers=bearer(other)).status_code == 200


def test_the_database_is_asked_once_a_second_at_most(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(settings.database)
    ring, reads = keys.KeyRing(database), []
    look = ring._read
    monkeypatch.setattr(ring, "_read", lambda: (reads.append(1), look())[1])

    async def ask() -> None:
        await asyncio.gather(*(ring.opens("mf_x") for _ in range(200)))

    asyncio.run(ask())
    database.close()
    assert len(reads) == 1


def test_the_key_is_kept_as_a_hash(settings: Settings, key: str) -> None:
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    assert settings.database in files
    assert [path for path in files if key.encode() in path.read_bytes()] == []


def test_a_socket_needs_the_key_and_not_in_its_address(client: TestClient, key: str) -> None:
    for refused in ({}, {"headers": bearer("mf_wrong")}, {"subprotocols": [SUBPROTOCOL, f"{KEY_SUBPROTOCOL}mf_wrong"]}):
        for path in ("/ws/training", f"/ws/training?api_key={key}", "/ws/none"):
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, **refused):
                pass


@pytest.mark.parametrize(
    ("address", "host", "headers", "caller"),
    [
        (HERE, "localhost", {}, Caller.LOCAL),
        (("::1", 1), "[::1]:8000", {}, Caller.LOCAL),
        (HERE, "studio.localhost", {"Authorization": "Bearer sk-anything"}, Caller.LOCAL),
        (HERE, "localhost", {"X-Forwarded-For": "127.0.0.1"}, Caller.OTHER),
        (HERE, "localhost", {"X-Forwarded-Host": ""}, Caller.OTHER),
        (HERE, "localhost", {"Forwarded": "for=127.0.0.1"}, Caller.OTHER),
        (HERE, "localhost", {"X-Real-IP": "127.0.0.1"}, Caller.OTHER),
        (HERE, "localhost", {"Via": "1.1 proxy"}, Caller.OTHER),
        (HERE, "forge", {}, Caller.OTHER),  # what a proxy that says nothing of itself passes on
        (("10.0.0.7", 1), "localhost", {}, Caller.OTHER),
    ],
)
def test_what_comes_through_a_proxy_is_no_local_user(
    settings: Settings, address: tuple[str, int], host: str, headers: dict[str, str], caller: Caller
) -> None:
    assert seen(settings, address, host, headers) is caller


def test_the_own_token_is_the_owners_and_no_proxys(settings: Settings, key: str) -> None:
    with client_of(settings) as client:
        token = client.app.state.modelforge.keys.token  # type: ignore[attr-defined]
        assert client.get("/api/models", headers=bearer(token)).status_code == 200
        for more, caller in (({}, Caller.OWNER), ({"X-Forwarded-For": "10.0.0.7"}, Caller.OTHER)):
            assert _seen(client, {**bearer(token), **more}) is caller
        assert _seen(client, bearer(key)) is Caller.OTHER


def seen(settings: Settings, address: tuple[str, int], host: str, headers: dict[str, str]) -> Caller:
    with client_of(settings, address, host) as client:
        return _seen(client, headers)


def _seen(client: TestClient, headers: dict[str, str]) -> Caller:
    """Whom the application takes the sender of a request for."""
    found: list[Any] = []
    app: Any = client.app

    async def look(request: Any) -> Any:
        from starlette.responses import JSONResponse

        found.append(request.state.caller)
        return JSONResponse({})

    app.router.add_route("/look", look)
    app.router.routes.insert(0, app.router.routes.pop())
    client.get("/look", headers=headers)
    return found[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.255.255.1", "forge.example"])
def test_an_open_address_needs_a_key_to_exist(tmp_path: Path, host: str) -> None:
    done = modelforge("serve", "--port", "0", "--host", host, home=tmp_path)
    assert done.returncode == 1 and "keys create" in done.stderr and "127.0.0.1" in done.stderr
    assert not (tmp_path / "server.json").exists()


def test_a_server_for_others_lets_nobody_in_once_its_last_key_is_revoked(settings: Settings) -> None:
    open_to_all = settings.model_copy(update={"host": "0.0.0.0"})
    with client_of(open_to_all) as client:
        assert client.get("/api/models").status_code == 401
        assert client.get("/api/health").status_code == 200


def test_keys_by_the_command_line_beside_a_running_server(tmp_path: Path) -> None:
    server = LiveServer(tmp_path).start()
    url = f"{server.url}/api/models"
    assert httpx.get(url).status_code == 200
    key = server.make_key("laptop")
    until(lambda: httpx.get(url).status_code == 401, 3)
    assert httpx.get(url, headers=bearer(key)).status_code == 200
    with pytest.raises(InvalidStatus) as refusal, connect(f"{server.url.replace('http', 'ws')}/ws/training"):
        pass
    refused = refusal.value.response
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(refused.body or b"")["error"] == "Unauthorized"
    address = f"{server.url.replace('http', 'ws')}/ws/training"
    with connect(address, additional_headers=bearer(key)) as socket:
        assert json.loads(socket.recv(timeout=10))["status"] == "idle" and socket.subprotocol is None
    offered = [Subprotocol(SUBPROTOCOL), Subprotocol(KEY_SUBPROTOCOL + key)]
    listener = connect(address, subprotocols=offered)
    assert json.loads(listener.recv(timeout=10))["status"] == "idle" and listener.subprotocol == SUBPROTOCOL
    # Its own commands get on without, by what they read in the home folder.
    assert (tmp_path / "server.json").stat().st_mode & 0o077 == 0
    assert document("models", "list", home=tmp_path)["models"] == []
    # One of another home folder is told the key by its settings, and by nothing else.
    elsewhere = {"MODELFORGE_SERVER_URL": server.url, "home": tmp_path / "other"}
    refused_there = modelforge("models", "list", **elsewhere)
    assert refused_there.returncode == 1 and "API key" in refused_there.stderr
    assert modelforge("models", "list", MODELFORGE_API_KEY=key, **elsewhere).returncode == 0
    # A file of this machine is none of that one's, whatever it is called.
    words = ("train", "--task", "text-generation", "--model-name", "modelforge-starter", "--dataset", "rows.jsonl")
    here = write_rows(tmp_path / "rows.jsonl").parent
    started = modelforge(*words, cwd=here, MODELFORGE_API_KEY=key, **elsewhere)
    assert started.returncode == 1 and "there is no dataset 'rows.jsonl'" in started.stderr
    (listed,) = document("keys", "list", home=tmp_path)["keys"]
    assert (listed["name"], listed["prefix"], listed["revoked_at"]) == ("laptop", key[:9], None)
    done = modelforge("keys", "revoke", listed["prefix"], home=tmp_path)
    assert done.returncode == 0 and "last one" in done.stderr
    assert modelforge("keys", "revoke", listed["prefix"], home=tmp_path).returncode == 1
    until(lambda: httpx.get(url).status_code == 200, 3)
    # As soon as keys are asked for again, who listens by a revoked one is let go.
    server.make_key()
    with pytest.raises(ConnectionClosed) as end:
        listener.recv(timeout=20)
    assert end.value.rcvd is not None and end.value.rcvd.code == 1008
    server.close()


def test_commands_without_a_server_need_no_key(tmp_path: Path) -> None:
    LiveServer(tmp_path).make_key()
    assert document("models", "list", home=tmp_path)["models"] == []
    assert read_json_or_none(tmp_path / "server.json") is None


def test_keys_are_kept_on_the_servers_own_machine(settings: Settings) -> None:
    with client_of(settings) as client:
        made = client.post("/api/keys", json={"name": "page"}).json()
        assert made["name"] == "page" and made["key"].startswith(made["prefix"]) and "every client" in made["message"]
        assert client.get("/api/keys").status_code == 401  # at once, and not a second later
        own = bearer(made["key"])
        other = client.post("/api/keys", json={}, headers=own).json()
        assert client.get("/api/models", headers=bearer(other["key"])).status_code == 200
        listed = client.get("/api/keys", headers=own)
        assert [row["prefix"] for row in listed.json()["keys"]] == [made["prefix"], other["prefix"]]
        assert made["key"] not in listed.text and other["key"] not in listed.text
        for more in ({"X-Forwarded-For": "127.0.0.1"}, {"Host": "forge"}):
            for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/1")):
                body = {"json": {}} if method == "POST" else {}
                reply = client.request(method, f"/api/keys{path}", headers={**own, **more}, **body)
                assert reply.status_code == 403 and "modelforge keys" in reply.json()["detail"]
        revoked = client.delete("/api/keys/2", headers=own).json()
        assert revoked["revoked_at"] is not None and "other keys" in revoked["message"]
        assert client.get("/api/models", headers=bearer(other["key"])).status_code == 401
        assert client.delete("/api/keys/2", headers=own).status_code == 404
        assert "last one" in client.delete("/api/keys/1", headers=own).json()["message"]
        assert client.get("/api/models").status_code == 200
        for name in ("", "x" * 129, 3):
            assert client.post("/api/keys", json={"name": name}).status_code == 400


@pytest.mark.parametrize("address", [("10.0.0.7", 1), HERE])
def test_a_user_from_elsewhere_makes_no_first_key(settings: Settings, address: tuple[str, int]) -> None:
    """Through a proxy on the same machine, say, that lets everybody in."""
    with client_of(settings, address) as client:
        headers = {"X-Forwarded-For": "10.0.0.7"} if address == HERE else {}
        assert client.get("/api/models", headers=headers).status_code == 200
        assert client.post("/api/keys", json={}, headers=headers).status_code == 403
        assert client.get("/api/models", headers=headers).status_code == 200


def test_no_command_takes_a_key_as_a_word(tmp_path: Path) -> None:
    done = modelforge("serve", "--api-key", "x", home=tmp_path)
    assert done.returncode == 2 and "No such option" in done.stderr
