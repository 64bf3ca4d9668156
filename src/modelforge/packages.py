"""The packages that ModelForge stands on: which versions are installed, and which it was built for."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

from modelforge.contracts.base import Contract

STACK = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors", "huggingface_hub")
OPTIONAL = {"bitsandbytes": "4-bit and 8-bit models and optimizers need it: pip install 'modelforge[quantization]'"}


class Package(Contract):
    """One of them."""

    name: str
    """As pip knows it."""
    version: str | None
    """What is installed; null where nothing is."""
    needs: str | None
    """The lowest version that will do; null where ModelForge was not installed by pip, which knows it."""
    optional: bool
    """Whether training works without it."""
    advice: str | None
    """What is wrong, and what to do; null where nothing is."""


def packages() -> Iterator[Package]:
    """All that training needs, then what some of it can use."""
    floors = needed()
    for name in (*STACK, *OPTIONAL):
        version, floor = installed(name), floors.get(name)
        advice = None
        if version is None:
            advice = OPTIONAL.get(name, f"pip install {name}")
        elif floor and _numbers(version) < _numbers(floor):
            advice = f"at least {floor} is needed: pip install -U {name}"
        yield Package(name=name, version=version, needs=floor, optional=name in OPTIONAL, advice=advice)


def installed(name: str) -> str | None:
    """The package's version; None where there is none."""
    try:
        return importlib.metadata.version(name)
    except PackageNotFoundError:
        return None


def needed() -> dict[str, str]:
    """The lowest versions that ModelForge was built for, from its own metadata; empty when it was not installed."""
    try:
        required = importlib.metadata.requires("modelforge") or []
    except PackageNotFoundError:
        return {}
    found = (re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", line) for line in required)
    return {match[1].lower().replace("-", "_"): match[2] for match in found if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
