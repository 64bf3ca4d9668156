"""The product as a user has it: a server in a home folder of its own, spoken to over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from modelforge.files import read_json_or_none

ENDED = ("completed", "failed", "stopped", "interrupted")


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    model: str
    """The name in the registry."""
    metrics: dict[str, float]
    lineage: list[str]
    """The models that it descends from, oldest first."""
    seconds: float
    """From the start of its worker to its end."""


class Product:
    """``modelforge serve`` on a free port; a context manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._server: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(timeout=300)

    def __enter__(self) -> Product:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "modelforge", "serve", "--port", "0", "--home", str(self.home)],
                env={**os.environ, "HF_HUB_OFFLINE": "1", "MODELFORGE_DATA_ROOTS": os.sep},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + 60
        while (record := read_json_or_none(self.home / "server.json")) is None:
            if self._server.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start:\n{(self.home / 'server.log').read_text()}")
            time.sleep(0.1)
        self._http.base_url = httpx.URL(str(record["url"]))
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=60)

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._server is not None
        return self._server.pid

    def upload(self, file: Path) -> str:
        """The name of the dataset there."""
        with file.open("rb") as stream:
            return str(self._call("POST", "/api/upload_dataset", files={"file": (file.name, stream)})["filename"])

    def train(self, settings: dict[str, Any]) -> Trained:
        """Start a training and wait for its end; SystemExit where it is refused or fails, with what the server said."""
        job_id = self._call("POST", "/api/start_training", json=settings)["job_id"]
        while (job := self._call("GET", f"/api/jobs/{job_id}"))["status"] not in ENDED:
            time.sleep(0.5)
        if job["status"] != "completed":
            raise SystemExit(f"{job['name']} is {job['status']}: {job['error']}")
        model = self._call("GET", f"/api/models/{job['model_id']}")
        return Trained(
            model["name"],
            model["metrics"],
            [_name(ancestor) for ancestor in model.get("lineage", [])],
            _seconds(job["started_at"], job["ended_at"]),
        )

    def ask(self, model: str, prompt: str, **options: Any) -> str:
        """What the playground says; the likeliest answer unless a temperature is given."""
        return str(self.generate(model, prompt, **options)["generated_text"]).strip()

    def generate(self, model: str, prompt: str, **options: Any) -> dict[str, Any]:
        """The playground's whole reply; can be called by several threads at once."""
        body = {"model_name": model, "prompt": prompt, "temperature": 0.0, "max_new_tokens": 96, **options}
        reply: dict[str, Any] = self._call("POST", "/api/playground/generate", json=body)
        return reply

    def _call(self, method: str, path: str, **options: Any) -> Any:
        reply = self._http.request(method, path, **options)
        if reply.status_code != 200:
            raise SystemExit(f"{method} {path}: {reply.status_code} {reply.text}")
        return reply.json()


def _name(ancestor: Any) -> str:
    return str(ancestor["name"] if isinstance(ancestor, dict) else ancestor)


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
