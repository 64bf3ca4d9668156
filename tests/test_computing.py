"""Threads, allocator and caches of the processes that compute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelforge import computing


def lay(folder: Path, siblings: dict[int, str]) -> None:
    for cpu, text in siblings.items():
        file = folder / f"cpu{cpu}/topology/thread_siblings_list"
        file.parent.mkdir(parents=True)
        file.write_text(f"{text}\n")


def test_two_processors_of_one_core_are_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path / "cpu", {0: "0,4", 1: "1,5", 4: "0,4", 5: "1,5"})
    monkeypatch.setattr(computing, "CPU_FOLDERS", tmp_path / "cpu")
    monkeypatch.setattr(computing, "CGROUPS", tmp_path / "none")
    monkeypatch.setattr(computing.os, "sched_getaffinity", lambda _: {0, 1, 4, 5}, raising=False)
    assert computing.threads() == 2
    monkeypatch.setattr(computing.os, "sched_getaffinity", lambda _: {0, 4}, raising=False)
    assert computing.threads() == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_a_container_has_no_more_threads_than_its_share(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(computing, "CGROUPS", tmp_path)
    monkeypatch.setattr(computing, "CPU_FOLDERS", tmp_path / "none")
    monkeypatch.setattr(computing.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert computing.threads() == expected


def test_the_best_allocator_is_preloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing.sys, "platform", "linux")
    monkeypatch.setattr(computing, "LIBRARY_FOLDERS", (str(tmp_path / "lib"), str(tmp_path / "lib64")))
    assert computing.allocator() is None
    assert "LD_PRELOAD" not in computing.computing_environment({}, tmp_path)
    folder = tmp_path / "lib" / "x86_64-linux-gnu"
    folder.mkdir(parents=True)
    (folder / "libjemalloc.so.2").touch()
    assert computing.allocator() == str(folder / "libjemalloc.so.2")
    (folder / "libtcmalloc_minimal.so.4").touch()
    assert computing.computing_environment({}, tmp_path)["LD_PRELOAD"] == str(folder / "libtcmalloc_minimal.so.4")


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    own = {"OMP_NUM_THREADS": "7", "LD_PRELOAD": "/mine.so", "TORCHINDUCTOR_CACHE_DIR": "/mine"}
    found = computing.computing_environment(own, tmp_path)
    assert {name: found[name] for name in own} == own
    assert found["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.skipif(computing.allocator() is None, reason="no allocator but the C library's on this machine")
def test_a_process_starts_with_the_allocator(tmp_path: Path) -> None:
    environment = computing.computing_environment({}, tmp_path)
    script = "print(open('/proc/self/maps').read())"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert environment["LD_PRELOAD"].rpartition("/")[2].split(".so")[0] in done.stdout
    assert not done.stderr
