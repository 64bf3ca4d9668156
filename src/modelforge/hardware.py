"""What this machine has, found without torch: NVML for NVIDIA, psutil for memory, the kernel's flags for the CPU."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
from pydantic import Field

from modelforge.computing import threads
from modelforge.contracts.base import Contract
from modelforge.contracts.training import ComputeSpecs
from modelforge.contracts.use import GpuUse, Use
from modelforge.files import read_text_or_none

T = TypeVar("T")
Device = Literal["cuda", "mps", "cpu"]


class Gpu(Contract):
    """One accelerator."""

    name: str
    """What its maker calls it."""
    memory_gb: float
    """Its own memory, in units of 1 000 000 000 bytes; for Apple's, the memory it shares with the CPU."""
    compute_capability: float | None = None
    """NVIDIA's number for its generation; 8.0 and above compute bf16 at full rate."""


class Hardware(Contract):
    """What was detected on this machine, and what follows from it."""

    system: str
    """Operating system and processor family."""
    cpu_count: int
    """Processors that this process may use."""
    threads: int = Field(default_factory=threads)
    """Threads that compute: one for each core of those, and no more than a container's share of time allows."""
    memory_gb: float
    """Main memory, in units of 1 000 000 000 bytes."""
    gpus: list[Gpu] = Field(default_factory=list)
    """Accelerators, the first is used."""
    device: Device
    """Where training runs by default."""
    fast_bf16: bool
    """Whether bf16 arithmetic is fast on that device."""
    compute_specs: ComputeSpecs
    """The class that sets the defaults which a request leaves out."""


def use(disk: Path) -> Use:
    """Look at how busy the machine is, and at the disk that the folder is on; takes a tenth of a second."""
    memory, room = psutil.virtual_memory(), shutil.disk_usage(disk)
    return Use(
        cpu_percent=psutil.cpu_percent(interval=0.1),
        memory_used_gb=round((memory.total - memory.available) / 1e9, 2),
        memory_gb=round(memory.total / 1e9, 2),
        disk_free_gb=round(room.free / 1e9, 2),
        disk_gb=round(room.total / 1e9, 2),
        gpus=_ask_nvidia(_gpu_use),
    )


def classify(gpu_gb: float, ram_gb: float) -> ComputeSpecs:
    """The class of a machine by its GPU's and its main memory, in GB (rule of the public contract's reference)."""
    if gpu_gb < 7.2 or (gpu_gb < 15.2 and ram_gb < 15.2):
        return "low_end"
    return "high_end" if gpu_gb >= 15.2 and ram_gb >= 15.2 else "mid_range"


def quantization_obstacle(device: Device) -> str | None:
    """Why nothing can be loaded in 8 or 4 bits here, as the end of a sentence about it; None where it can."""
    if device == "mps":
        return "needs bitsandbytes, which does not work on Apple's GPU"
    if importlib.util.find_spec("bitsandbytes") is None:
        return "needs bitsandbytes, which is not installed: pip install 'modelforge[quantization]'"
    return None


def _ask_nvidia(look: Callable[[Any, Any], T]) -> list[T]:
    """What ``look`` sees in NVML of each device that this process may use; nothing where there is no NVML."""
    import pynvml  # noqa: PLC0415 - 30 ms that only this function needs

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        count = pynvml.nvmlDeviceGetCount()
        return _visible([look(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)])
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _name(nvml: Any, handle: Any) -> str:
    name = nvml.nvmlDeviceGetName(handle)
    return name.decode() if isinstance(name, bytes) else str(name)


def _gpu(nvml: Any, handle: Any) -> Gpu:
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(
        name=_name(nvml, handle),
        memory_gb=round(nvml.nvmlDeviceGetMemoryInfo(handle).total / 1e9, 1),
        compute_capability=major + minor / 10,
    )


def _gpu_use(nvml: Any, handle: Any) -> GpuUse:
    def told(ask: Callable[[], float]) -> float | None:
        try:
            return ask()
        except nvml.NVMLError:  # not every device knows everything
            return None

    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return GpuUse(
        name=_name(nvml, handle),
        busy_percent=told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        memory_used_gb=round(memory.used / 1e9, 2),
        memory_gb=round(memory.total / 1e9, 2),
        temperature_c=told(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        power_w=told(lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, 1)),
    )


def _visible(gpus: list[T]) -> list[T]:
    """What CUDA_VISIBLE_DEVICES leaves of them; names that are no indices leave all, CUDA sorts those out itself."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return gpus
    indices = [part.strip() for part in chosen.split(",") if part.strip()]
    if not indices or indices[0] == "-1":
        return []
    if not all(part.isdigit() for part in indices):
        return gpus
    return [gpus[int(part)] for part in indices if int(part) < len(gpus)]


def cpu_has_fast_bf16() -> bool:
    """Whether the processor itself multiplies in bf16."""
    if sys.platform == "linux":
        flags = read_text_or_none(Path("/proc/cpuinfo")) or ""
        return any(flag in flags for flag in (" avx512_bf16", " amx_bf16"))
    return False


@functools.cache
def detect() -> Hardware:
    """Look at the machine, once per process; takes some 30 ms."""
    ram_gb = round(psutil.virtual_memory().total / 1e9, 1)
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    gpus = _ask_nvidia(_gpu)
    device: Device = "cuda" if gpus and not version("torch").endswith("+cpu") else "mps" if apple else "cpu"
    if device == "mps":
        gpus = [Gpu(name="Apple GPU", memory_gb=ram_gb)]
    if device == "cuda":
        fast_bf16 = (gpus[0].compute_capability or 0) >= 8.0
    else:
        fast_bf16 = device == "cpu" and cpu_has_fast_bf16()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Hardware(
        system=f"{platform.system()} {platform.machine()}",
        cpu_count=cores,
        memory_gb=ram_gb,
        gpus=gpus,
        device=device,
        fast_bf16=fast_bf16,
        compute_specs=classify(0.0 if device == "cpu" else gpus[0].memory_gb, ram_gb),
    )
