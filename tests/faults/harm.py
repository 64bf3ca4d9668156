"""A run that harm is done to: what it is, when the moment has come, and what it has lost in the end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil
from safetensors.numpy import load_file
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.faults.table import Fault
from tests.live import LiveServer, until

SLOW: dict[str, Any] = {
    "task": "text-generation", "dataset": "rows.jsonl", "num_train_epochs": 60, "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2, "learning_rate": 0.005, "save_steps": 5, "logging_steps": 1, "eval_steps": 40,
}  # fmt: skip
"""A run that there is time to do something to."""
COMPARED: dict[str, Any] = {"num_train_epochs": 20, "lora_dropout": 0.1}
"""One that is seen to its end many times, and in which all that is random has a part."""
ENDED_WORDS = ("completed", "failed", "stopped", "interrupted")

Curve = dict[int, tuple[float | None, float | None]]
"""Loss and loss on the held-out rows by step."""


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run came to."""

    curve: Curve
    weights: dict[str, Any]

    @property
    def steps(self) -> int:
        return max(self.curve)


def start(server: LiveServer, model: Path, **fields: Any) -> str:
    job_id: str = server.post("/api/start_training", {**SLOW, "model_name": str(model), **fields})["job_id"]
    return job_id


def begin(server: LiveServer, model: Path, name: str) -> str:
    """Start the run that is to come to what the undisturbed one came to."""
    return start(server, model, **COMPARED, name=name)


def step_of(server: LiveServer) -> int:
    return server.get("/api/training_status")["current_step"] or 0


def workers(job_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if job_id in line and line[1:3] == ["-m", "modelforge.worker"]:
            found.append(process)
    return found


def worker_of(job_id: str) -> psutil.Process:
    """The one worker, as soon as there is one."""
    until(lambda: len(workers(job_id)) == 1, 30)
    return workers(job_id)[0]


def curve(server: LiveServer, job_id: str, name: str = "loss") -> dict[int, float]:
    points = server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
    assert len({point["step"] for point in points}) == len(points)
    return {point["step"]: point[name] for point in points if name in point}


def curves(server: LiveServer, job_id: str) -> Curve:
    losses, held_out = curve(server, job_id), curve(server, job_id, "eval_loss")
    return {step: (losses.get(step), held_out.get(step)) for step in losses.keys() | held_out.keys()}


def weights(server: LiveServer, name: str) -> dict[str, Any]:
    return load_file(server.home / "models" / name / "adapter_model.safetensors")


def undisturbed(server: LiveServer, job_id: str) -> Reference:
    return Reference(curves(server, job_id), weights(server, server.get(f"/api/jobs/{job_id}")["name"]))


def see_to_its_end(server: LiveServer, job_id: str, reference: Reference, fault: Fault) -> dict[str, Any]:
    """The job, completed and bit for bit what the undisturbed run is; else the fault has cost something."""
    job = server.wait(job_id, seconds=300)
    if job["status"] != "completed":
        reply = httpx.post(f"{server.url}/api/jobs/{job_id}/resume", timeout=60)
        assert reply.status_code in (200, 409)  # the server itself was quicker
        job = server.wait(job_id, ("completed", "failed", "stopped"), seconds=300)
    if job["status"] != "completed":
        fault.runs_lost += 1
        raise AssertionError(f"the run is lost: {job}")
    lost = differences(reference, curves(server, job_id), weights(server, job["name"]))
    fault.data_lost += len(lost)
    assert not lost
    return job


def differences(reference: Reference, points: Curve, tensors: dict[str, Any]) -> list[str]:
    """The points and tensors that are missing, too many, or other ones."""
    steps = [
        f"step {step}: {reference.curve.get(step)} became {points.get(step)}"
        for step in sorted(reference.curve.keys() | points.keys())
        if reference.curve.get(step) != points.get(step)
    ]
    names = [
        name
        for name in sorted(reference.weights.keys() | tensors.keys())
        if name not in tensors or name not in reference.weights or (tensors[name] != reference.weights[name]).any()
    ]
    return steps + names


def run_dir(server: LiveServer, job_id: str) -> Path:
    return server.home / "runs" / job_id


def said(server: LiveServer, job_id: str, attempt: int | None = None) -> list[dict[str, Any]]:
    """What the worker has written down so far, whether a server reads it or not."""
    path = run_dir(server, job_id) / "events.jsonl"
    found = []
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # torn by this suite
        if isinstance(event, dict) and "kind" in event and attempt in (None, event["attempt"]):
            found.append(event)
    return found


def came_to(server: LiveServer, job_id: str, attempt: int, step: int) -> Callable[[], bool]:
    """Whether the attempt has done that step, or ended."""
    return lambda: any(
        event.get("step", 0) >= step if event["kind"] == "progress" else event.get("state") in ENDED_WORDS
        for event in said(server, job_id, attempt)
    )


def entered(server: LiveServer, job_id: str, attempt: int, state: str) -> Callable[[], bool]:
    """Whether the attempt has come into that state, or ended."""
    return lambda: any(event.get("state") in (state, *ENDED_WORDS) for event in said(server, job_id, attempt))


def kept(server: LiveServer, job_id: str, attempt: int, count: int) -> Callable[[], bool]:
    """Whether the attempt has made so many checkpoints, or ended."""
    return lambda: (
        sum(event["kind"] == "checkpoint" for event in said(server, job_id, attempt)) >= count
        or any(event.get("state") in ENDED_WORDS for event in said(server, job_id, attempt))
    )


def unsealed(server: LiveServer, job_id: str) -> list[Path]:
    """Checkpoints that are being written, or were when their worker ended."""
    folders = (run_dir(server, job_id) / "checkpoints").glob("checkpoint-*")
    return [folder for folder in folders if not (folder / "manifest.json").exists()]


def sealed(server: LiveServer, job_id: str) -> list[Path]:
    """Whole checkpoints, oldest first."""
    folders = (run_dir(server, job_id) / "checkpoints").glob("checkpoint-*/manifest.json")
    return sorted((path.parent for path in folders), key=lambda folder: int(folder.name.split("-")[1]))


def at_once(true: Callable[[], bool], seconds: float) -> None:
    """``until`` for moments that are gone in some milliseconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.001)


def cut_the_power(server: LiveServer, job_id: str) -> None:
    """Server, attendant and worker are gone at once."""
    found = workers(job_id)
    server.kill()
    for worker in found:
        os.killpg(os.getpgid(worker.pid), signal.SIGKILL)
    until(lambda: not workers(job_id), 10)


class Listener:
    """A WebSocket client that comes again with the number of the last message that it had, whenever it is cut off."""

    def __init__(self, server: LiveServer) -> None:
        self.points: list[dict[str, Any]] = []
        self.seq = 0
        self.connections = 0
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._ended.is_set():
            address = self._server.url.replace("http://", "ws://")
            try:
                with connect(f"{address}/ws/training?after={self.seq}", open_timeout=2, close_timeout=1) as socket:
                    self.connections += 1
                    while not self._ended.is_set():
                        try:
                            message = json.loads(socket.recv(timeout=0.1))
                        except TimeoutError:
                            continue
                        self.points += message["points"]
                        self.seq = message["seq"]
            except (OSError, WebSocketException):
                time.sleep(0.02)

    def lost(self, job_ids: list[str]) -> int:
        """Points that never came, came twice, or are not those of the server's own list."""
        until(lambda: self.seq >= self._server.get("/api/training_status")["seq"], 20)
        seqs = [point["seq"] for point in self.points]
        twice = len(seqs) - len(set(seqs))
        merged: dict[tuple[str, int], dict[str, Any]] = {}
        for point in self.points:
            merged.setdefault((point["job_id"], point["step"]), {}).update(point)
        stored = {
            (job_id, point["step"]): point
            for job_id in job_ids
            for point in self._server.get(f"/api/jobs/{job_id}/metrics")["metrics"]
        }
        return twice + sum(merged.get(key) != stored.get(key) for key in merged.keys() | stored.keys())
