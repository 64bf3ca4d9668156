"""What was measured on: the machine, its libraries, and the settings that change how fast they are."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

import psutil

from modelforge.files import read_text_or_none
from modelforge.hardware import detect

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes")
ALLOCATORS = ("tcmalloc", "jemalloc", "mimalloc")
FEATURES = ("avx512_bf16", "amx_bf16", "avx512f", "avx2")
_TELLING = ("LD_PRELOAD", "MALLOC_CONF", "GLIBC_TUNABLES", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES")
ROOT = Path(__file__).resolve().parents[2]


def described() -> list[str]:
    """The machine, its libraries and its settings, a sentence each."""
    memory = psutil.virtual_memory().total / 1e9
    gpus = [f"{gpu.name}, {gpu.memory_gb:.0f} GB" for gpu in detect().gpus]
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return [
        f"{_processor()}, {psutil.cpu_count()} cores, {memory:.0f} GB; {' and '.join(gpus) or 'no NVIDIA GPU'}; "
        f"{platform.system()}, load average {load():.1f} at the start.",
        f"Python {platform.python_version()}, {versions}; ModelForge at {_commit()}.",
        f"Set in the environment: {_settings()}.",
    ]


def load() -> float:
    """Processes that ran or wanted to over the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def has_nvidia_gpu() -> bool:
    """Whether there is one, and a torch that can use it."""
    return detect().device == "cuda"


def allocators(pid: int) -> set[str]:
    """Which allocators beside the C library's a process and its descendants have loaded."""
    found: set[str] = set()
    try:
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return found
    for member in family:
        maps = read_text_or_none(Path(f"/proc/{member}/maps")) or ""
        found.update(name for name in ALLOCATORS if name in maps)
    return found


def _processor() -> str:
    told = read_text_or_none(Path("/proc/cpuinfo")) or ""
    fields = [line.partition(":") for line in told.splitlines()]
    known = {name.strip(): value.strip() for name, _, value in reversed(fields)}
    features = [name for name in FEATURES if name in known.get("flags", "").split()]
    return f"{known.get('model name', platform.processor() or platform.machine())} ({', '.join(features) or 'no AVX'})"


def _settings() -> str:
    said = [f"{name}={os.environ[name]}" for name in _TELLING if os.environ.get(name)]
    said += [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("MODELFORGE_")]
    return ", ".join(said) or "nothing that counts"


def _commit() -> str:
    if shutil.which("git") is None:
        return "no commit"

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    changed = " with changes" if commit and git("status", "--porcelain", "src") else ""
    return f"{commit or 'no commit'}{changed}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
