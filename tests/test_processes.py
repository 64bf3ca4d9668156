"""Who a process is, and that all of its tree can be ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from modelforge import processes

SLEEP = "import time; time.sleep(60)"
FAMILY = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"


def test_identity_tells_processes_apart() -> None:
    own = processes.start_identity(os.getpid())
    assert own is not None
    assert processes.is_running(os.getpid(), own)
    assert not processes.is_running(os.getpid(), own + "x")
    assert not processes.is_running(os.getpid(), None)
    child = subprocess.Popen([sys.executable, "-c", SLEEP])
    identity = processes.start_identity(child.pid)
    assert identity is not None and processes.is_running(child.pid, identity)
    child.kill()
    deadline = time.monotonic() + 5
    while processes.is_running(child.pid, identity):  # a zombie counts as gone
        assert time.monotonic() < deadline
    child.wait()
    assert processes.start_identity(child.pid) is None


def test_environment_is_found() -> None:
    child = processes.spawn([sys.executable, "-c", SLEEP], {**os.environ, "MF_TEST_TOKEN": "abc"})
    try:
        deadline = time.monotonic() + 5
        while processes.find_by_environment("MF_TEST_TOKEN", "abc") != [child.pid]:
            assert time.monotonic() < deadline
        assert processes.carries(child.pid, "MF_TEST_TOKEN", "abc")
        assert not processes.carries(child.pid, "MF_TEST_TOKEN", "abd")
    finally:
        child.kill()
        child.wait()


def test_the_whole_tree_is_killed() -> None:
    parent = processes.spawn([sys.executable, "-c", FAMILY], os.environ)
    deadline = time.monotonic() + 10
    while not (children := psutil.Process(parent.pid).children()):
        assert time.monotonic() < deadline
    processes.kill_tree(parent.pid)
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone and not alive


def test_signal_names() -> None:
    assert processes.signal_name(9) == "SIGKILL"
    assert processes.signal_name(4000) == "signal 4000"


def test_who_ended_for_memory_is_counted_where_it_is_told_apart(tmp_path: Path) -> None:
    def put(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert processes.ended_for_memory(tmp_path) is None
    put("proc/vmstat", "nr_free_pages 7\noom_kill 3\n")
    assert processes.ended_for_memory(tmp_path) == 3
    put("proc/self/cgroup", "9:pids:/\n4:memory:/own\n0::/\n")
    put("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\noom_kill 4\n")
    assert processes.ended_for_memory(tmp_path) == 4  # in a container
    put("sys/fs/cgroup/memory/own/memory.oom_control", "oom_kill_disable 0\noom_kill 5\n")
    assert processes.ended_for_memory(tmp_path) == 5
    put("proc/self/cgroup", "0::/user.slice\n")
    put("sys/fs/cgroup/user.slice/memory.events", "low 0\noom 9\noom_kill 6\noom_group_kill 0\n")
    assert processes.ended_for_memory(tmp_path) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems limit other things")
def test_a_process_gets_no_more_memory_than_it_is_let() -> None:
    code = (
        "from modelforge.processes import limit_memory\n"
        "limit_memory(300_000_000)\n"
        "kept = bytearray(50_000_000)\n"
        "try:\n    bytearray(400_000_000)\nexcept MemoryError:\n    print('no more')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "no more\n"
