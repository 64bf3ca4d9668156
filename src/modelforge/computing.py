"""How the processes that compute are set up: threads, allocator, and caches that outlive them. The standard library
alone, because all of it stands in the environment before anything is imported."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from modelforge.files import read_text_or_none

ALLOCATORS = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4", "libjemalloc.so.2")
"""Better than the C library's for large tensors that come and go, the best first (measured, benchmarks/LOG.md)."""
LIBRARY_FOLDERS = ("/usr/lib", "/usr/lib64", "/lib", "/usr/local/lib", "/opt/homebrew/lib")
CPU_FOLDERS = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")
PRODUCTS_KEPT = 128
"""Matrix products of oneDNN that are kept ready, each with its workspace, and as many in torch's own store, which
holds on to what oneDNN has let go. With their default, 1024, rows of ever new lengths make a model of 5 million weights
grow by half a gigabyte; with fewer than a row of the engine has, some hundred with those of its attention, each is made
anew in every layer, which costs up to 30 % (both measured, benchmarks/LOG.md)."""


def allocator() -> str | None:
    """The path of the best allocator that lies on this machine; None where there is none, or none is needed."""
    if sys.platform != "linux":
        return None
    folders = [Path(folder) for folder in LIBRARY_FOLDERS]
    folders += [folder for each in folders[:2] if each.is_dir() for folder in each.glob("*-linux-gnu*")]
    found = ((folder / name) for name in ALLOCATORS for folder in folders)
    return next((str(path) for path in found if path.is_file()), None)


def cxx() -> str | None:
    """The C++ compiler; None where there is none."""
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def threads() -> int:
    """How many threads compute: one for each core that this process may use. Two on one core get in each other's way,
    and so do more than a container's share of time allows."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return max(1, min(_cores(allowed), _quota() or len(allowed)))


def _cores(cpus: Iterable[int]) -> int:
    """Cores among these processors, which may be two of one core."""
    siblings = (read_text_or_none(CPU_FOLDERS / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in cpus)
    return len({text.strip() for text in siblings})


def _quota() -> int | None:
    """Processors' worth of time that the container may take, rounded up; None where there is no limit."""
    quota, _, period = (read_text_or_none(CGROUPS / "cpu.max") or "").partition(" ")
    if not period:  # control groups of the first version
        quota = (read_text_or_none(CGROUPS / "cpu/cpu.cfs_quota_us") or "").strip()
        period = read_text_or_none(CGROUPS / "cpu/cpu.cfs_period_us") or ""
    if not quota.isdigit() or not period.strip().isdigit():
        return None
    return -(-int(quota) // int(period))


SECRETS = ("MODELFORGE_DATABASE_URL", "MODELFORGE_API_KEY")
"""Variables of the server's and the commands' own, which no process that computes has a use for."""


def computing_environment(base: Mapping[str, str], home: Path) -> dict[str, str]:
    """``base`` with what every process that loads the training stack needs, and without secrets that it doesn't; what
    the user has set stays."""
    base = {name: value for name, value in base.items() if name not in SECRETS}
    token = {} if "HF_TOKEN" in base or "HUGGINGFACE_TOKEN" not in base else {"HF_TOKEN": base["HUGGINGFACE_TOKEN"]}
    better = allocator()
    chosen = {
        "OMP_NUM_THREADS": str(threads()),
        "ONEDNN_PRIMITIVE_CACHE_CAPACITY": str(PRODUCTS_KEPT),
        "LRU_CACHE_CAPACITY": str(PRODUCTS_KEPT),
        "TORCHINDUCTOR_CACHE_DIR": str(home / "cache" / "compiled"),
        "TRITON_CACHE_DIR": str(home / "cache" / "triton"),
        **({"LD_PRELOAD": better} if better else {}),
    }
    return {
        **chosen,
        **base,
        **token,  # the hub's own library knows the first name alone
        # Spinning OpenMP threads slow a worker 5 to 8 times when another process wants a core (measured).
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
    }
