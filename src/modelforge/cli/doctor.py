"""``modelforge doctor``: what this machine can do, and what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Literal

import psutil
import typer
from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from modelforge import __version__
from modelforge.catalogue import BUNDLED_MODELS, bundled_model
from modelforge.cli.console import out, print_json, say, size
from modelforge.cli.session import Json, settings_of
from modelforge.computing import allocator, cxx
from modelforge.hardware import Hardware, detect
from modelforge.packages import Package, needed, packages
from modelforge.settings import Settings

MIN_PYTHON = (3, 11)
LOW_DISK_GB = 5.0
"""A small hub model with its checkpoints takes about this much."""

State = Literal["ok", "note", "missing"]
MARKS: dict[State, tuple[str, str]] = {"ok": ("✓", "green"), "note": ("•", "yellow"), "missing": ("✗", "bold red")}


class Check(BaseModel):
    """One thing that was looked at."""

    group: str
    name: str
    state: State = "ok"
    """missing: training cannot work without it; note: something to know."""
    value: str
    advice: str | None = None


class Diagnosis(BaseModel):
    """All of them; ``ok`` when nothing is missing that training needs."""

    ok: bool
    version: str
    hardware: Hardware
    checks: list[Check]


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Show what this machine can do, and what is missing. The exit code is 1 where training could not work."""
    settings, hardware = settings_of(ctx), detect()
    checks = [
        *_software(hardware),
        *_machine(hardware, settings),
        *_variants(),
        *_environments(hardware, settings),
        *_state(settings),
    ]
    found = Diagnosis(
        ok=all(check.state != "missing" for check in checks), version=__version__, hardware=hardware, checks=checks
    )
    if json:
        print_json(found)
    else:
        _print(found)
    if not found.ok:
        raise typer.Exit(1)


def _print(found: Diagnosis) -> None:
    console = out()
    for group in dict.fromkeys(check.group for check in found.checks):
        console.print(Text(f"\n{group}", style="bold"))
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=1)
        grid.add_column(style="dim", overflow="fold", max_width=max(12, console.width // 3))
        grid.add_column(overflow="fold")
        for check in (check for check in found.checks if check.group == group):
            mark, style = MARKS[check.state]
            value = Text(check.value)
            if check.advice:
                value.append(f"\n{check.advice}", style="yellow")
            grid.add_row(Text(mark, style=style), Text(check.name), value)
        console.print(grid)
    if found.ok:
        say("\nThis machine can train. Try: modelforge demo", "bold green")
    else:
        missing = ", ".join(check.name for check in found.checks if check.state == "missing")
        say(f"\nTraining cannot work here yet. Missing: {missing}", "bold red")


def _software(hardware: Hardware) -> Iterator[Check]:
    group = "Software"
    python = sys.version_info >= MIN_PYTHON
    yield Check(
        group=group,
        name="Python",
        value=f"{platform.python_version()} ({sys.executable})",
        state="ok" if python else "missing",
        advice=None if python else f"at least {'.'.join(map(str, MIN_PYTHON))} is needed",
    )
    known = bool(needed())
    yield Check(group=group, name="ModelForge", value=__version__ if known else f"{__version__}, not installed by pip")
    for package in packages():
        yield _package(group, package)
        if package.name == "torch":
            yield from _torch_build(group, hardware)


def _package(group: str, package: Package) -> Check:
    value = package.version or "not installed"
    if package.advice is not None:
        state: State = "note" if package.optional else "missing"
        return Check(group=group, name=package.name, state=state, value=value, advice=package.advice)
    return Check(group=group, name=package.name, value=f"{value} (needs {package.needs})" if package.needs else value)


def _torch_build(group: str, hardware: Hardware) -> Iterator[Check]:
    """What the installed torch was built for, read from its files: importing it takes seconds."""
    try:
        torch = importlib.metadata.distribution("torch")
    except PackageNotFoundError:
        return
    text = Path(str(torch.locate_file("torch/version.py"))).read_text(encoding="utf-8")
    built = {kind: re.search(rf"^{kind}\b[^=]*= *'([^']+)'", text, re.MULTILINE) for kind in ("cuda", "hip", "xpu")}
    names = {"cuda": "CUDA", "hip": "ROCm", "xpu": "XPU"}
    value = ", ".join(f"{names[kind]} {match[1]}" for kind, match in built.items() if match) or "CPU"
    if sys.platform == "darwin":
        value += " and MPS"
    gpu_unused = hardware.device == "cuda" and not built["cuda"]
    yield Check(
        group=group,
        name="torch build",
        value=value,
        state="missing" if gpu_unused else "ok",
        advice="this build cannot use the NVIDIA GPU: install a CUDA build of torch" if gpu_unused else None,
    )


def _machine(hardware: Hardware, settings: Settings) -> Iterator[Check]:
    group = "This machine"
    yield Check(group=group, name="System", value=f"{hardware.system}, {hardware.cpu_count} processors")
    yield Check(group=group, name="Threads", value=f"{hardware.threads} compute")
    yield _allocator(group)
    yield _compiler(group)
    free = psutil.virtual_memory().available / 1e9
    yield Check(group=group, name="Memory", value=f"{hardware.memory_gb:.1f} GB, {free:.1f} GB of it free")
    for gpu in hardware.gpus:
        capability = f", compute capability {gpu.compute_capability}" if gpu.compute_capability else ""
        yield Check(group=group, name="GPU", value=f"{gpu.name}, {gpu.memory_gb:.1f} GB{capability}")
    no_gpu = "no GPU was found: small models train well, larger ones slowly" if hardware.device == "cpu" else None
    yield Check(group=group, name="Trains on", value=hardware.device, state="note" if no_gpu else "ok", advice=no_gpu)
    precision = "bf16" if hardware.fast_bf16 else "fp16" if hardware.device == "cuda" else "fp32"
    yield Check(
        group=group, name="Precision", value=f"{precision} (bf16 is {'' if hardware.fast_bf16 else 'not '}fast)"
    )
    yield Check(group=group, name="compute_specs", value=hardware.compute_specs)
    disk = shutil.disk_usage(_nearest(settings.home)).free / 1e9
    low = f"checkpoints and models need room; {LOW_DISK_GB:.0f} GB are a start" if disk < LOW_DISK_GB else None
    yield Check(group=group, name="Free disk", value=f"{disk:.1f} GB", state="note" if low else "ok", advice=low)


def _allocator(group: str) -> Check:
    name = "Memory allocator"
    found = os.environ.get("LD_PRELOAD") or allocator()
    if found or sys.platform != "linux":
        return Check(group=group, name=name, value=found or "the system's")
    advice = (
        "training is about 5 % faster with tcmalloc: apt-get install libtcmalloc-minimal4, or your system's package"
    )
    return Check(group=group, name=name, value="the C library's", state="note", advice=advice)


def _compiler(group: str) -> Check:
    found = cxx()
    advice = "training is up to twice as fast with one: apt-get install g++, or your system's package"
    return Check(
        group=group,
        name="C++ compiler",
        value=found or "none",
        state="ok" if found else "note",
        advice=None if found else advice,
    )


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _variants() -> Iterator[Check]:
    from modelforge.providers import PROVIDERS  # noqa: PLC0415 - what only this command needs
    from modelforge.strategies import STRATEGIES  # noqa: PLC0415
    from modelforge.tasks import TASKS  # noqa: PLC0415

    names = {
        "Tasks": TASKS.names(),
        "Strategies": STRATEGIES.names(),
        "Providers": PROVIDERS.names(),
    }
    for group, every in names.items():
        for name in every:
            yield Check(group=group, name=name, value="available", state="ok")
    for model in BUNDLED_MODELS:
        there = (bundled_model(model) / "config.json").is_file()
        yield Check(
            group="Bundled models",
            name=model,
            value="bundled" if there else "missing from this installation",
            state="ok" if there else "note",
            advice=None if there else "the demo needs it; install ModelForge from its wheel or a whole checkout",
        )


def _environments(hardware: Hardware, settings: Settings) -> Iterator[Check]:
    """Of the providers that need one of their own: what they need is for those who want them, so nothing is missing."""
    from modelforge.providers import PROVIDERS  # noqa: PLC0415 - what only this command needs
    from modelforge.readiness import state_of  # noqa: PLC0415

    for provider in PROVIDERS:
        state = state_of(provider, settings.home, hardware)
        if state.own_environment:
            yield Check(
                group="Environments",
                name=state.name,
                value=state.interpreter or "not installed",
                state="ok" if state.ready else "note",
                advice=state.reason,
            )


def _state(settings: Settings) -> Iterator[Check]:
    from huggingface_hub import get_token  # noqa: PLC0415 - 0.3 s that only this command needs

    from modelforge.cli.client import running_server  # noqa: PLC0415

    group = "ModelForge here"
    nearest = _nearest(settings.home)
    writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    yield Check(
        group=group,
        name="Home folder",
        value=f"{settings.home}{'' if settings.home.exists() else ' (made at the first use)'}",
        state="ok" if writable else "missing",
        advice=None if writable else f"{nearest} cannot be written; set MODELFORGE_HOME to a folder that can",
    )
    yield Check(group=group, name="Database", value=_database(settings))
    running = running_server(settings.home)
    where = f"runs at {running.url}" if running else "not running (modelforge serve)"
    yield Check(group=group, name="Server", value=where)
    token = "present" if get_token() else "none (only gated and private models need one)"
    yield Check(group=group, name="Hugging Face token", value=token)


def _database(settings: Settings) -> str:
    file = settings.database
    if isinstance(file, str):
        return re.sub(r"//[^@/]*@", "//…@", file)  # a URL can hold a password
    return f"{file}, {size(file.stat().st_size / 1e6)}" if file.is_file() else f"{file} (made at the first use)"
