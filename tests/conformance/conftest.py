"""One server with a model of every family and data for every task."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.data import FILES, TEXTS
from tests.conformance.families import FAMILIES, write
from tests.live import LiveServer, jsonl

# What the short form leaves out whole: resumes and smaller batches are among the faults, too, commands among the tests.
if os.environ.get("CONFORMANCE") == "short":
    collect_ignore = ["test_best.py", "test_commands.py", "test_life.py", "test_resume.py", "test_smaller.py"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the models, by family."""
    home = tmp_path_factory.mktemp("families")
    return {family.name: write(family, home / family.name, TEXTS) for family in FAMILIES}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path_factory.mktemp("home")).start()
    for name, rows in FILES.items():
        live.upload(name, jsonl(rows))
    yield live
    live.close()
