"""Many clients at once while a run trains: what they wait for, what they miss, and what they cost the training.

::

    python -m benchmarks.load                    # 200 requests/s and 200 listeners for 5 minutes
    python -m benchmarks.load --slowdown         # 10 requests/s and 200 listeners, in turns with none, for 10 minutes

The first promises: no error; every listener is told every point exactly once; the server's memory stays within 20 MB
after the first minute. The second: a training loses at most 5 % of its tokens a second. Exit code 1 where a promise is
broken. Both start the real server in a home folder of its own. The clients share the machine with it, so they are
written to cost little: requests are bytes made beforehand on connections that stay, and a message that many listeners
are told is read once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import websockets

from benchmarks.latency import all_points, choose_model, print_table, server, start

ROUTES = (
    "/api/training_status",
    "/api/jobs",
    "/api/jobs/{job_id}",
    "/api/jobs/{job_id}/metrics?limit=100",
    "/api/models",
    "/api/datasets",
    "/api/info",
)
CONNECTIONS = 16
WARM_UP = 60.0
"""Seconds after which the server's memory may not move any more."""
MEMORY_MB = 20.0
SLOWER = 0.05


@dataclass
class Listener:
    """What one listener was told; ``points`` are numbers of points."""

    first: int = -1
    last: int = -1
    points: list[int] = field(default_factory=list)
    messages: int = 0


@lru_cache(maxsize=512)
def read(text: str) -> tuple[int, list[int]]:
    """A message's number and its points'; most listeners are told the same."""
    message = json.loads(text)
    return message["seq"], [point["seq"] for point in message["points"]]


async def listen(url: str, told: Listener, ready: asyncio.Barrier) -> None:
    async with websockets.connect(url, open_timeout=60) as socket:
        async for text in socket:
            assert isinstance(text, str)
            told.last, points = read(text)
            told.points += points
            told.messages += 1
            if told.messages == 1:
                told.first = told.last
                await ready.wait()


class Connection:
    """A kept HTTP/1.1 connection that gives back the status of a reply, which it reads whole."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, request: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        start = head.index(b"content-length:") + 15
        await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def send_gets(url: str, job: str, seconds: float, rate: float) -> tuple[dict[str, list[float]], list[str]]:
    """Milliseconds from when each GET was due to its reply, by route, and what went wrong."""
    parts = urlsplit(url)
    address = (str(parts.hostname), int(parts.port or 80))
    requests = [
        (route, f"GET {route.format(job_id=job)} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()) for route in ROUTES
    ]
    taken: dict[str, list[float]] = {route: [] for route in ROUTES}
    faults: list[str] = []
    due: asyncio.Queue[tuple[int, float] | None] = asyncio.Queue()

    async def client() -> None:
        connection = Connection(address)
        while (turn := await due.get()) is not None:
            number, moment = turn
            route, request = requests[number % len(requests)]
            try:
                status = await connection.get(request)
            except (OSError, EOFError, ValueError) as error:
                faults.append(f"{route}: {error!r}")
                connection.close()
                connection = Connection(address)
                continue
            taken[route].append(1000 * (time.perf_counter() - moment))
            if status != 200:
                faults.append(f"{route}: {status}")
        connection.close()

    clients = [asyncio.create_task(client()) for _ in range(CONNECTIONS)]
    begin = time.perf_counter()
    for number in range(int(seconds * rate)):
        moment = begin + number / rate
        if (ahead := moment - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        due.put_nowait((number, moment))
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)
    return taken, faults


async def clients(options: argparse.Namespace) -> None:
    """The clients' process: listeners first, then GETs, to the end or until its stdin ends; says what they met."""
    everyone = [Listener() for _ in range(options.listeners)]
    ready = asyncio.Barrier(options.listeners + 1)
    url = options.clients.replace("http", "ws", 1) + "/ws/training"
    listening = [asyncio.create_task(listen(url, told, ready)) for told in everyone]
    await ready.wait()
    print("ready", flush=True)
    closed = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    getting = asyncio.create_task(send_gets(options.clients, options.job, options.seconds, options.rate))
    await asyncio.wait([closed, getting], return_when=asyncio.FIRST_COMPLETED)
    if getting.done():
        await asyncio.sleep(1)  # the last message
    taken, faults = getting.result() if getting.done() else ({}, [])
    for task in (*listening, getting):
        task.cancel()
    ended = await asyncio.gather(*listening, return_exceptions=True)
    faults += [f"a listener: {end!r}" for end in ended if not isinstance(end, asyncio.CancelledError)]
    heard = [vars(told) for told in everyone]
    print(json.dumps({"taken": taken, "faults": faults, "heard": heard}), flush=True)
    os._exit(0)  # the thread at stdin would be waited for


@contextmanager
def crowd(url: str, job: str, *, listeners: int, rate: float, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The clients, at work."""
    argv = [sys.executable, "-m", "benchmarks.load", "--clients", url, "--job", job, "--rate", str(rate)]
    argv += ["--listeners", str(listeners), "--seconds", str(seconds)]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    try:
        yield child
    finally:
        child.communicate()


class Watch:
    """The memory and the share of a core of the server's process, every second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.memory: list[float] = []
        self._cpu, self._begin = self._seconds(), time.perf_counter()

    def _seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def until(self, child: subprocess.Popen[str]) -> str:
        """The child's last words."""
        assert child.stdout is not None
        words: list[str] = []
        stdout = child.stdout
        while not words:
            self.memory.append(self._process.memory_info().rss / 1e6)
            if select.select([stdout], [], [], 1.0)[0]:
                words.append(stdout.readline())
        return words[0]

    def spent(self) -> str:
        """What the process has taken since the watch began, in words."""
        seconds, wall = self._seconds() - self._cpu, time.perf_counter() - self._begin
        return f"{seconds:.1f} s of {wall:.0f} s of a core, {100 * seconds / wall:.0f} %"


def faults_of(told: list[dict[str, Any]], points: list[int]) -> list[str]:
    """Which listeners did not hear each point of their time exactly once, in order.

    Of a step that was measured twice (its loss, then the loss on the held-out rows) ``points`` has the later number.
    """
    found = []
    for number, heard in enumerate(told):
        wanted = {seq for seq in points if heard["first"] < seq <= heard["last"]}
        missed, twice = wanted - set(heard["points"]), len(heard["points"]) - len(set(heard["points"]))
        if missed or twice or heard["points"] != sorted(heard["points"]):
            found.append(f"listener {number} missed {len(missed)} of {len(wanted)} points and heard {twice} twice")
    return found


def load(url: str, process: psutil.Process, model: str, options: argparse.Namespace) -> bool:
    """The first promise."""
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        job = start(client, model)
        with crowd(url, job, listeners=options.listeners, rate=options.rate, seconds=options.seconds) as child:
            watch = Watch(process)
            told = json.loads(watch.until(child))
            spent = watch.spent()
        points = [point["seq"] for point in all_points(client, job)]
        client.post("/api/stop_training", params={"force": "true"})
    points.sort()
    faults = told["faults"] + faults_of(told["heard"], points)
    heard = [len(each["points"]) for each in told["heard"]]
    messages = [each["messages"] for each in told["heard"]]
    settled = watch.memory[int(min(WARM_UP, options.seconds / 3)) :]
    span = max(settled) - min(settled)
    print_table(told["taken"])
    print(
        f"{options.listeners} listeners: {min(messages)} to {max(messages)} messages, "
        f"{min(heard)} to {max(heard)} points"
    )
    print(f"faults: {len(faults)}", *faults[:5], sep="\n  ")
    print(f"the server: {spent}; memory {settled[0]:.1f} MB after warm-up, ", end="")
    print(f"{min(settled):.1f} to {max(settled):.1f} from then on, {settled[-1]:.1f} at the end")
    return not faults and span <= 2 * MEMORY_MB and abs(settled[-1] - settled[0]) <= MEMORY_MB


class Meter:
    """The tokens a second of a training, by the events that its worker writes."""

    def __init__(self, events: Path) -> None:
        self._lines = events.open(encoding="utf-8")

    def _next(self) -> tuple[float, float]:
        """When the next point is written, and how many tokens were trained on by then."""
        self._lines.seek(0, os.SEEK_END)
        rest = ""
        while True:
            rest += self._lines.readline()
            if not rest.endswith("\n"):
                time.sleep(0.005)
                continue
            now, event, rest = time.perf_counter(), json.loads(rest), ""
            if event["kind"] == "metrics" and "train_tokens" in event["values"]:
                return now, float(event["values"]["train_tokens"])

    def over(self, seconds: float) -> float:
        begun, before = self._next()
        time.sleep(seconds)
        ended, after = self._next()
        return (after - before) / (ended - begun)


def slowdown(url: str, home: Path, model: str, options: argparse.Namespace) -> bool:
    """The second promise: a training, in turns with and without clients; each turn with them is compared with those
    before and after it, so that a machine whose speed wanders is compared with itself."""
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        job = start(client, model, per_device_train_batch_size=8, logging_steps=5, eval_split=0, save_steps=100_000)
        meter = Meter(home / "runs" / job / "events.jsonl")
        meter.over(options.turn)
        alone, loaded = [meter.over(options.turn)], []
        for _ in range(options.turns):
            with crowd(url, job, listeners=options.listeners, rate=options.rate, seconds=1e6):
                time.sleep(1)
                loaded.append(meter.over(options.turn))
            time.sleep(1)
            alone.append(meter.over(options.turn))
            share = 2 * loaded[-1] / (alone[-1] + alone[-2])
            print(
                f"under load {loaded[-1]:.0f} tokens/s, alone {alone[-2]:.0f} and {alone[-1]:.0f}: {share:.3f}",
                flush=True,
            )
        client.post("/api/stop_training", params={"force": "true"})
    shares = sorted(2 * loaded[i] / (alone[i] + alone[i + 1]) for i in range(options.turns))
    # The median: what else the host does for a moment changes single turns by a third.
    median, chance = statistics.median(shares), random.Random(0)
    drawn = sorted(statistics.median(chance.choices(shares, k=len(shares))) for _ in range(2000))
    print(
        f"median of {len(shares)} turns {median:.3f} ({drawn[50]:.3f} to {drawn[-51]:.3f} at 95 %, by bootstrap), ",
        end="",
    )
    print(f"single ones {shares[0]:.3f} to {shares[-1]:.3f}")
    return median >= 1 - SLOWER


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--slowdown", action="store_true", help="measure what a training loses")
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--rate", type=float, default=None, help="GETs a second; 200, with --slowdown 10")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--turns", type=int, default=30, help="turns under load of --slowdown")
    parser.add_argument("--turn", type=float, default=8, help="seconds of each")
    parser.add_argument("--model", default="", help="what to train; the starter model when not given")
    parser.add_argument("--clients", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rate = options.rate or (10 if options.slowdown else 200)
    if options.clients:
        asyncio.run(clients(options))
        return 0
    print(f"load average {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="modelforge-load-") as folder:
        model = choose_model(options.model, Path(folder, "model"))
        with server(Path(folder, "home")) as (url, process):
            if options.slowdown:
                kept = slowdown(url, Path(folder, "home"), model, options)
            else:
                kept = load(url, process, model, options)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
