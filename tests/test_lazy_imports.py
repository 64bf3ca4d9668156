"""The api process never loads torch, nor what loads it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
LIGHT_ROOMS = (
    "api", "jobs", "cli", "store", "tasks", "strategies", "providers", "datasets", "hub", "contracts", "probe",
    "settings", "hardware", "catalogue",
)  # fmt: skip

SCRIPT = """
import importlib, pkgutil, sys
import modelforge
for room in {rooms}:
    module = importlib.import_module("modelforge." + room)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        if ".migrations" not in found.name and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
import modelforge.inference.client, modelforge.inference.protocol
print(" ".join(name for name in {heavy} if name in sys.modules))
"""


def test_the_api_process_loads_no_torch() -> None:
    script = SCRIPT.format(rooms=LIGHT_ROOMS, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("heavy", ["import torch"])
def test_the_check_would_see_it(heavy: str) -> None:
    script = heavy + "\n" + SCRIPT.format(rooms=("settings",), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "torch" in done.stdout


def test_a_worker_needs_no_web_and_no_database() -> None:
    """It runs in environments that have nothing but the training stack."""
    script = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'alembic', 'pydantic_settings', 'rich',\n"
        "             'pynvml'):\n"
        "    sys.modules[name] = None\n"
        "import modelforge.worker.__main__, modelforge.inference.protocol\n"
        "from modelforge.worker import choices, data, report, checkpoints\n"
        "from modelforge.providers import PROVIDERS\n"
        "print(sorted(PROVIDERS.names()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "huggingface" in done.stdout
