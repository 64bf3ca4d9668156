"""GETs during a training, with WebSocket listeners attached: how long they take, and whether a listener misses a point.

::

    python benchmarks/latency.py --listeners 50 --seconds 30 --rate 20

Starts the real server in a home folder of its own and a training that logs a point at every step, measures the
training alone, then attaches the listeners (in a process of their own) and sends GETs at a steady rate, each at its
time whether the one before was answered or not. The targets: p99 at most 50 ms; no listener misses a point.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import websockets

from modelforge.catalogue import STARTER, bundled_model

ROOT = Path(__file__).parent.parent
TINY = "from pathlib import Path; from tests.tiny import make_tiny_model as m; m(Path({!r}), hidden_size=128, layers=4)"
ROUTES = ("/api/training_status", "/api/jobs", "/api/models", "/api/datasets", "/api/jobs/{job_id}/metrics")
PAGE = 10_000


@dataclass
class Heard:
    """What one listener was told; ``points`` are the points' numbers."""

    messages: int = 0
    first: int = 0
    last: int = 0
    points: list[int] = field(default_factory=list)


async def listen(url: str, heard: Heard, ready: asyncio.Barrier) -> None:
    async with websockets.connect(url, open_timeout=60) as socket:
        async for text in socket:
            message = json.loads(text)
            heard.messages += 1
            heard.last = message["seq"]
            heard.points += [point["seq"] for point in message["points"]]
            if heard.messages == 1:
                heard.first = heard.last
                await ready.wait()


async def listeners(url: str, count: int) -> None:
    """The listeners' process: says ``ready``, listens until its stdin ends, says what was heard."""
    everyone = [Heard() for _ in range(count)]
    ready = asyncio.Barrier(count + 1)
    tasks = [asyncio.create_task(listen(url, heard, ready)) for heard in everyone]
    await ready.wait()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    lost = sum(not isinstance(end, asyncio.CancelledError) for end in ended)
    print(json.dumps({"lost": lost, "heard": [vars(heard) for heard in everyone]}))


@contextmanager
def server(home: Path) -> Iterator[tuple[str, psutil.Process]]:
    """``modelforge serve`` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "modelforge", "serve", "--port", "0", "--home", str(home)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "MODELFORGE_DATA_ROOTS": os.sep},
        stdout=subprocess.DEVNULL,
    )
    record = home / "server.json"
    try:
        while not record.exists():
            if process.poll() is not None:
                raise SystemExit(f"the server ended with exit code {process.returncode}")
            time.sleep(0.05)
        yield json.loads(record.read_text(encoding="utf-8"))["url"], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def choose_model(name: str, folder: Path) -> str:
    """The starter model where it is, else a small Llama with random weights."""
    if name:
        return name
    if bundled_model(STARTER).is_dir():
        return STARTER
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("there is no starter model, and no torch to make another one with")
    subprocess.run([sys.executable, "-c", TINY.format(str(folder))], cwd=ROOT, check=True)
    return str(folder)


def start(client: httpx.Client, model: str, **options: Any) -> str:
    """A training that goes on for longer than anybody measures; returns its job when it has done some steps.
    ``options`` are of the training's configuration."""
    rows = [{"input": f"What is {i} and {i % 7}?", "output": f"It is {i + i % 7}, I think."} for i in range(400)]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    client.post("/api/upload_dataset", files={"file": ("rows.jsonl", content)}).raise_for_status()
    config = {
        "task": "text-generation",
        "model_name": model,
        "dataset": "rows.jsonl",
        "max_steps": 1_000_000,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "logging_steps": 1,
        "eval_steps": 500,
        "save_steps": 1000,
        "eval_split": 0.05,
        **options,
    }
    reply = client.post("/api/start_training", json=config)
    if reply.is_error:
        raise SystemExit(reply.text)
    job: str = reply.json()["job_id"]
    while (status := client.get("/api/training_status").json())["current_step"] is None or status["current_step"] < 20:
        if status["status"] not in ("queued", "starting", "training"):
            raise SystemExit(f"the training is {status['status']}: {status['error']}")
        time.sleep(0.2)
    return job


def worker_of(client: httpx.Client, job: str) -> psutil.Process:
    return psutil.Process(client.get(f"/api/jobs/{job}").json()["pid"])


class Span:
    """Steps a second of the training and the server's share of a core, from its making to ``end``."""

    def __init__(self, client: httpx.Client, process: psutil.Process) -> None:
        self._client, self._process = client, process
        self._before = self._now()

    def _now(self) -> tuple[float, int, float]:
        times = self._process.cpu_times()
        step = self._client.get("/api/training_status").json()["current_step"]
        return time.perf_counter(), step, times.user + times.system

    def end(self) -> str:
        seconds, steps, cpu = (after - before for after, before in zip(self._now(), self._before, strict=True))
        return f"{steps / seconds:.1f} steps/s, the server takes {100 * cpu / seconds:.0f} % of a core"


async def send_gets(url: str, job: str, seconds: float, rate: float) -> tuple[dict[str, list[float]], list[str]]:
    """Milliseconds of the GETs of each route, and what went wrong."""
    taken: dict[str, list[float]] = {route: [] for route in ROUTES}
    faults: list[str] = []

    async def get(client: httpx.AsyncClient, route: str) -> None:
        begin = time.perf_counter()
        try:
            reply = await client.get(route.format(job_id=job))
        except httpx.HTTPError as error:
            faults.append(f"{route}: {error!r}")
            return
        taken[route].append(1000 * (time.perf_counter() - begin))
        if reply.status_code != 200:
            faults.append(f"{route}: {reply.text}")

    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        begin, requests = time.perf_counter(), []
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, begin + number / rate - time.perf_counter()))
            requests.append(asyncio.create_task(get(client, ROUTES[number % len(ROUTES)])))
        await asyncio.gather(*requests)
    return taken, faults


def all_points(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = client.get(f"/api/jobs/{job}/metrics", params={"limit": PAGE, "offset": len(found)}).json()["metrics"]
        found += page
        if len(page) < PAGE:
            return found


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def print_table(taken: dict[str, list[float]]) -> None:
    everything = [value for values in taken.values() for value in values]
    print(f"{'GET':<30}{'count':>7}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}  ms")
    for route, values in [*taken.items(), ("all", everything)]:
        shown = "".join(f"{quantile(values, share):>9.1f}" for share in (0.5, 0.9, 0.99, 1.0))
        print(f"{route:<30}{len(values):>7}{shown}")


def measure(url: str, process: psutil.Process, model: str, options: argparse.Namespace) -> int:
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        job = start(client, model)
        worker = worker_of(client, job)
        print(f"training {model}; the worker runs at nice {worker.nice()}; load average {os.getloadavg()[0]:.1f}")
        alone = Span(client, process)
        time.sleep(options.seconds / 3)
        print(f"alone: {alone.end()}")

        argv = [sys.executable, __file__, "--listen", url.replace("http", "ws", 1) + "/ws/training"]
        argv += ["--listeners", str(options.listeners)]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        loaded = Span(client, process)
        taken, faults = asyncio.run(send_gets(url, job, options.seconds, options.rate))
        print(f"with {options.listeners} listeners and {options.rate:g} GETs/s: {loaded.end()}")
        time.sleep(1)
        told = json.loads(child.communicate()[0])
        points = all_points(client, job)
        client.post("/api/stop_training", params={"force": "true"})

    missed = 0
    for heard in told["heard"]:
        numbers = set(heard["points"])
        wanted = [point["seq"] for point in points if heard["first"] < point["seq"] <= heard["last"]]
        missed += any(number not in numbers for number in wanted)
    messages, had = ([each[name] for each in told["heard"]] for name in ("messages", "points"))
    print_table(taken)
    print(f"errors: {len(faults)}", *faults[:3])
    print(f"messages per listener: {min(messages)} to {max(messages)}", end="; ")
    print(f"points: {min(map(len, had))} to {max(map(len, had))}")
    print(f"listeners that missed points: {missed}; that lost their connection: {told['lost']}")
    p99 = quantile([value for values in taken.values() for value in values], 0.99)
    return 1 if faults or missed or told["lost"] or p99 > 50 else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--listeners", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20, help="GETs a second")
    parser.add_argument("--model", default="", help="what to train; the starter model when not given")
    parser.add_argument("--listen", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        asyncio.run(listeners(options.listen, options.listeners))
        return 0
    with tempfile.TemporaryDirectory(prefix="modelforge-latency-") as folder:
        model = choose_model(options.model, Path(folder, "tiny-llama"))
        home = Path(folder, "home")
        home.mkdir()
        with server(home) as (url, process):
            return measure(url, process, model, options)


if __name__ == "__main__":
    sys.exit(main())
