"""The server process."""

from __future__ import annotations

import gc
import ipaddress
import json
import os
import socket
import sys

import uvicorn
from fastapi import FastAPI

from modelforge.api.app import check_home, create_app
from modelforge.api.deps import State
from modelforge.api.protocol import Http, Socket
from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none, write_atomic
from modelforge.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that none is closed while a request is on its way on it."""
GRACE_SECONDS = 5
"""What open connections get when the server is told to end."""


class _Server(uvicorn.Server):
    """Says where it listens, to people on the terminal and to other ModelForge commands in ``server.json``.

    The token that stands there opens this server: who can read the home folder is its owner.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings, app: FastAPI) -> None:
        super().__init__(config)
        self._settings = settings
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        # The address that was bound, whatever name it was given by.
        address, port = self.servers[0].sockets[0].getsockname()[:2]
        state: State = self._app.state.modelforge
        record = {"pid": os.getpid(), "url": f"http://{_reachable(address)}:{port}", "token": state.keys.token}
        shown = "localhost" if ipaddress.ip_address(address).is_loopback else _reachable(address)
        write_atomic(self._settings.home / "server.json", json.dumps(record))
        print(
            f"ModelForge serves at http://{shown}:{port} (home folder {self._settings.home}). Ctrl-C ends it; "
            "trainings go on.",
            flush=True,
        )


def _reachable(address: str) -> str:
    """What to write in a URL for an IP address that is listened on; for "all of them" the loopback one."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"[{address}]" if ":" in address else address


def run(settings: Settings) -> int:
    """Serve until told to end; returns the exit code. Raises InvalidRequest when the address cannot be had or would be
    open to all, Conflict when another server holds the home folder."""
    # Database, logs and runs hold what only their owner may read, also in a home folder that is open to others.
    os.umask(0o077)
    settings.make_folders()
    # Uvicorn would tell these as a trace.
    check_home(settings)
    _check_address(settings)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Http,
        ws=Socket,
        root_path=settings.root_path,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws_max_size=65_536,
        # Messages are short, and compressing each for each listener costs more than all else that sends it.
        ws_per_message_deflate=False,
    )
    _prefer_latency()
    server = _Server(config, settings, app)
    try:
        server.run()
    finally:
        # Uvicorn raises the signal that ended it once more, so nothing after this line may count.
        if server.started:
            _withdraw(settings)
    return 0 if server.started else 1


def _withdraw(settings: Settings) -> None:
    """Remove ``server.json``, unless another server has written its own meanwhile."""
    record = settings.home / "server.json"
    told = read_json_or_none(record)
    if isinstance(told, dict) and told.get("pid") == os.getpid():
        record.unlink(missing_ok=True)


def _prefer_latency() -> None:
    """Short pauses rather than throughput: measured in benchmarks/latency.py.

    A full garbage collection walks all objects of the imported libraries for 0.1 to 0.3 s; they are here to stay, so
    it leaves them out from now on, and comes rarely. A thread that works on a large answer hands the interpreter to
    the event loop after 0.5 ms, not 5.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)
    sys.setswitchinterval(0.0005)


def _check_address(settings: Settings) -> None:
    """Try the address first: uvicorn's own words about one that is taken are a log line and an exit."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InvalidRequest(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. Choose another with --port or --host"
        ) from error
