"""The server process."""

from __future__ import annotations

import gc
import json
import os
import socket
import sys

import uvicorn

from modelforge.api.app import check_home, create_app
from modelforge.errors import InvalidRequest
from modelforge.files import write_atomic
from modelforge.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that none is closed while a request is on its way on it."""
GRACE_SECONDS = 5
"""What open connections get when the server is told to end."""


class _Server(uvicorn.Server):
    """Says where it listens, to people on the terminal and to other ModelForge commands in ``server.json``."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        shown = "localhost" if self._settings.on_loopback else self._settings.host
        host = "127.0.0.1" if self._settings.host in ("0.0.0.0", "localhost") else self._settings.host
        host = f"[{host}]" if ":" in host else host
        record = {"pid": os.getpid(), "url": f"http://{host}:{port}"}
        write_atomic(self._settings.home / "server.json", json.dumps(record))
        print(
            f"ModelForge serves at http://{shown}:{port} (home folder {self._settings.home}). Ctrl-C ends it; "
            "trainings go on.",
            flush=True,
        )


def run(settings: Settings) -> int:
    """Serve until told to end; returns the exit code. Raises InvalidRequest when the address cannot be had, Conflict
    when another server holds the home folder."""
    settings.make_folders()
    # Uvicorn would tell these as a trace.
    check_home(settings)
    _check_address(settings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws_max_size=65_536,
    )
    _prefer_latency()
    server = _Server(config, settings)
    try:
        server.run()
    finally:
        # Uvicorn raises the signal that ended it once more, so nothing after this line may count.
        if server.started:
            (settings.home / "server.json").unlink(missing_ok=True)
    return 0 if server.started else 1


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
