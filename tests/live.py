"""A real server in a process of its own, over a home folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from modelforge.files import read_json_or_none

ENDED = ("completed", "failed", "stopped", "interrupted")


class LiveServer:
    """``modelforge serve`` on a free port."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, port: int = 0) -> LiveServer:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "server.json").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "modelforge", "serve", "--port", str(port), "--home", str(self.home)],
            env={**os.environ, "HF_HUB_OFFLINE": "1", **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        until(lambda: (self.home / "server.json").exists() or self.process.poll() is not None, 60)
        record = read_json_or_none(self.home / "server.json")
        assert record, self.process.stdout.read().decode() if self.process.stdout else ""
        self.url = record["url"]
        return self

    def kill(self) -> None:
        """As by ``kill -9``."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """As by Ctrl-C."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)

    def make_key(self, name: str = "test") -> str:
        """A key by the command line, beside the server or before it starts."""
        words = (sys.executable, "-m", "modelforge", "--home", str(self.home), "keys", "create", "--name", name)
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self.call("POST", path, status=status, json=body)

    def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        reply = httpx.request(method, self.url + path, timeout=120, **options)
        assert reply.status_code == status, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json()

    def upload(self, name: str, content: bytes, status: int = 200) -> Any:
        return self.call("POST", "/api/upload_dataset", status=status, files={"file": (name, content)})

    def wait(self, job_id: str, states: tuple[str, ...] = ENDED, seconds: float = 120) -> dict[str, Any]:
        """The job, as soon as it is in one of the states."""
        job: dict[str, Any] = {}

        def there() -> bool:
            job.update(self.get(f"/api/jobs/{job_id}"))
            return job["status"] in states

        until(there, seconds, lambda: f"{job_id} is {job.get('status')} {job.get('error')}")
        return job


def until(true: Callable[[], bool], seconds: float, why: Callable[[], str] = lambda: "") -> None:
    """Wait for something; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {why()}"
        time.sleep(0.05)


def rows(count: int) -> list[dict[str, str]]:
    """Questions with answers that follow a rule."""
    return [{"input": f"what is {i}?", "output": f"it is the number {i}"} for i in range(count)]


def jsonl(items: list[Any]) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in items).encode()
