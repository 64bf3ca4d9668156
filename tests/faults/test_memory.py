"""Memory that runs out, for real: a limit that is set on a worker at work, and the kernel's own killer."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.harm import curve, start, step_of, workers
from tests.live import LiveServer, jsonl, rows, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits on another process are Linux's")

PADDED: dict[str, Any] = {"packing": False, "num_train_epochs": 6, "save_steps": 4, "lora_dropout": 0.0}
"""By TRL's trainer, whose micro-batch is ``per_device_train_batch_size``."""


def take_away_memory(job_id: str) -> None:
    """The worker may have no more address space than it has."""
    (worker,) = workers(job_id)
    resource.prlimit(worker.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))


@pytest.mark.fault("memory runs out")
def test_the_run_goes_on_with_half_and_becomes_what_it_would_have(server: LiveServer, tiny_model: Path) -> None:
    whole = start(server, tiny_model, name="undisturbed", **PADDED)
    assert server.wait(whole)["status"] == "completed"
    job_id = start(server, tiny_model, name="short-of-memory", **PADDED)
    until(lambda: step_of(server) >= 6, 90)
    take_away_memory(job_id)
    job = server.wait(job_id)
    assert (job["status"], job["attempt"]) == ("completed", 2), (job["error"], job["log_tail"])
    texts = [event["text"] for event in job["events"]]
    assert not any(text.startswith("failed") for text in texts)  # nobody who looked took it for ended
    (said,) = (text for text in texts if "memory ran out" in text)
    assert "per_device_train_batch_size 1 instead of 2, gradient_accumulation_steps 4 instead of 2" in said
    assert any("Going on from the checkpoint at step" in text for text in texts)
    config = job["config"]
    assert (config["per_device_train_batch_size"], config["gradient_accumulation_steps"]) == (1, 4)
    # The same examples in the same steps: the same curve, but for the order in which floats are added.
    expected = curve(server, whole)
    assert curve(server, job_id) == {step: pytest.approx(loss, rel=1e-3) for step, loss in expected.items()}


@pytest.mark.fault("memory runs out")
@pytest.mark.parametrize("fields", [{"auto_batch": False}, {"per_device_train_batch_size": 1}])
def test_where_nothing_smaller_may_be_tried_it_ends(
    server: LiveServer, tiny_model: Path, fields: dict[str, Any]
) -> None:
    job_id = start(server, tiny_model, **{**PADDED, "num_train_epochs": 60, "per_device_eval_batch_size": 1, **fields})
    until(lambda: step_of(server) >= 3, 90)
    take_away_memory(job_id)
    job = server.wait(job_id)
    assert (job["status"], job["cause"], job["attempt"]) == ("failed", "oom_host", 1), (job["error"], job["log_tail"])
    assert "Lower per_device_train_batch_size" in job["error"]


EAT = """
import time
hoard = []
while True:
    hoard.append(bytearray(b"x" * (4 << 20)))
    time.sleep(0.001)
"""
"""Takes all memory of its group."""


@pytest.fixture
def group() -> Iterator[Path]:
    """A group of processes whose memory can be limited."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    root = Path("/sys/fs/cgroup")
    path = next((root / "memory" / own.lstrip("/") for _, kinds, own in lines if "memory" in kinds.split(",")), None)
    if path is None:
        path = root / next((own.lstrip("/") for _, kinds, own in lines if not kinds), "")
    own = path / f"modelforge-test-{os.getpid()}"
    try:
        own.mkdir()
    except OSError as error:
        pytest.skip(f"no group of processes can be made here: {error}")
    if not limit_of(own).exists():
        own.rmdir()
        pytest.skip("memory of groups of processes cannot be limited here")
    yield own
    for _ in range(100):
        for pid in (own / "cgroup.procs").read_text().split():
            psutil.Process(int(pid)).kill()
        try:
            own.rmdir()
            return
        except OSError:
            time.sleep(0.1)


def limit_of(group: Path) -> Path:
    first = group / "memory.limit_in_bytes"
    return first if first.exists() else group / "memory.max"


@pytest.mark.fault("memory runs out")
def test_whom_the_kernel_ends_for_memory_goes_on_too(group: Path, tmp_path: Path, tiny_model: Path) -> None:
    server = LiveServer(tmp_path / "home").start()
    assert server.process is not None
    try:
        (group / "cgroup.procs").write_text(str(server.process.pid))
        server.upload("rows.jsonl", jsonl(rows(40)))
        job_id = start(server, tiny_model, num_train_epochs=30)
        until(lambda: step_of(server) >= 6, 90)
        (worker,) = workers(job_id)
        Path(f"/proc/{worker.pid}/oom_score_adj").write_text("1000")
        before = limit_of(group).read_text()
        limit_of(group).write_text(str(1 << 30))
        hungry = subprocess.Popen([sys.executable, "-c", EAT])
        (group / "cgroup.procs").write_text(str(hungry.pid))
        until(lambda: not worker.is_running() or worker.status() == "zombie", 60)
        hungry.kill()
        hungry.wait()
        limit_of(group).write_text(before)
        job = server.wait(job_id)
        texts = [event["text"] for event in job["events"]]
        assert (job["status"], job["attempt"]) == ("completed", 2), (job["error"], texts[-5:])
        assert any("The machine's memory ran out" in text and "rows of 2048 tokens" in text for text in texts), texts
    finally:
        server.close()
