"""How busy a machine is."""

from __future__ import annotations

from modelforge.contracts.base import Contract, example


class GpuUse(Contract):
    """How busy an accelerator is."""

    name: str
    """What its maker calls it."""
    busy_percent: float | None
    """Of the time just past, how much it computed in; null where it does not say."""
    memory_used_gb: float
    """In units of 1 000 000 000 bytes, by all processes."""
    memory_gb: float
    """All that it has."""
    temperature_c: float | None
    """Degrees Celsius; null where it does not say."""
    power_w: float | None
    """Watts; null where it does not say."""


class Use(Contract):
    """How busy the machine is now, with all that runs on it."""

    model_config = example(
        cpu_percent=12.5, memory_used_gb=9.81, memory_gb=33.57, disk_free_gb=212.4, disk_gb=499.96, gpus=[]
    )

    cpu_percent: float
    """Of all processors, over a tenth of a second."""
    memory_used_gb: float
    """Main memory that is not available to another program, in units of 1 000 000 000 bytes."""
    memory_gb: float
    """All that there is."""
    disk_free_gb: float
    """On the disk of the home folder."""
    disk_gb: float
    """All that it holds."""
    gpus: list[GpuUse]
    """NVIDIA's; others do not say."""
