"""Upload and validation of a large JSONL: what it costs the server, and whether others are answered meanwhile.

::

    python benchmarks/upload.py --size-mb 1000

Starts the real server in a home folder of its own, sends it one file over a socket, asks ``/api/health`` every 20 ms
meanwhile, and prints the server's growth in memory, the checking process's peak, the speed, and
how long the others waited. The target: the server grows by at most 100 MB.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil

BOUNDARY = "modelforge-benchmark"


def make_file(path: Path, size_mb: int, seed: int) -> int:
    """Rows of English-looking text, some 600 bytes each; returns how many. 2000 different ones, over and over."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("etaoinshrdlucmfwyp", k=chance.randint(2, 9))) for _ in range(3000)] + [
        "naïve",
        "café",
    ]

    def text(least: int, most: int) -> str:
        return " ".join(chance.choices(words, k=chance.randint(least, most))).capitalize() + '.\n"Yes."'

    rows = [
        json.dumps({"input": text(8, 30), "output": text(30, 120)}, ensure_ascii=False).encode() + b"\n"
        for _ in range(2000)
    ]
    block, size, count = b"".join(rows), 0, 0
    with path.open("wb") as out:
        while size < size_mb * 1_000_000:
            size += out.write(block)
            count += len(rows)
    return count


class Watch(threading.Thread):
    """Samples the memory of the server and of the process that checks for it, in bytes, every 10 ms."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.server = psutil.Process(pid)
        self.before = self.server.memory_info().rss
        self.peak = self.before
        self.checker_peak = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.01):
            self.peak = max(self.peak, self.server.memory_info().rss)
            for child in self.server.children():
                try:
                    if "modelforge.datasets.check" in child.cmdline():
                        self.checker_peak = max(self.checker_peak, child.memory_info().rss)
                except psutil.Error:
                    continue


class Poll(threading.Thread):
    """Another client: GETs all the while, and how many seconds each of them took."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.seconds: list[float] = []
        self.done = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            while not self.done.wait(0.02):
                start = time.perf_counter()
                client.get("/api/health").raise_for_status()
                self.seconds.append(time.perf_counter() - start)

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def upload(url: str, path: Path) -> tuple[float, int]:
    """Send the file; returns the seconds that sending took, and the examples that the server counted.

    The kernel copies the file to the socket, so that this process's interpreter is free to measure.
    """
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.putrequest("POST", "/api/upload_dataset")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders(head)
    start = time.perf_counter()
    with path.open("rb") as stream:
        connection.sock.sendfile(stream)
    connection.send(tail)
    seconds = time.perf_counter() - start
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"the upload was refused: {body}")
    return seconds, int(body["num_examples"])


def start_server(home: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "modelforge", "serve", "--port", str(port)],
        env={**os.environ, "MODELFORGE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            httpx.get(f"{url}/api/health").raise_for_status()
        except httpx.TransportError:
            if server.poll() is not None:
                raise SystemExit(f"the server ended with exit code {server.returncode}") from None
            time.sleep(0.1)
        else:
            return server, url
    raise SystemExit("the server did not answer within 30 s")


def measure(url: str, pid: int, path: Path, rows: int) -> None:
    watch, poll = Watch(pid), Poll(url)
    watch.start()
    poll.start()
    start = time.perf_counter()
    sending, counted = upload(url, path)
    in_all = time.perf_counter() - start
    for thread in (watch, poll):
        thread.done.set()
        thread.join()
    if counted != rows:
        raise SystemExit(f"{rows} rows were sent, and {counted} counted")
    size, checking = path.stat().st_size / 1e6, in_all - sending
    growth = (watch.peak - watch.before) / 1e6
    table = {
        "file": f"{size:.0f} MB, {rows} rows",
        "upload": f"{sending:.1f} s, {size / sending:.0f} MB/s",
        "flush and validation": f"{checking:.1f} s, {size / checking:.0f} MB/s",
        "in all": f"{in_all:.1f} s, {size / in_all:.0f} MB/s",
        "server's memory": f"{watch.before / 1e6:.0f} MB, growing by {growth:.1f} MB at most",
        "checker's memory": f"{watch.checker_peak / 1e6:.0f} MB at most",
        "other requests": (
            f"{len(poll.seconds)}, p50 {poll.quantile(0.5):.1f} ms, p99 {poll.quantile(0.99):.1f} ms, "
            f"max {poll.quantile(1):.1f} ms"
        ),
    }
    for name, value in table.items():
        print(f"{name:<22}{value}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Upload and validation of a large JSONL.")
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="modelforge-upload-") as folder:
        path = Path(folder, "large.jsonl")
        rows = make_file(path, options.size_mb, options.seed)
        server, url = start_server(Path(folder, "home"))
        try:
            measure(url, server.pid, path, rows)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
