"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fuzz import EXAMPLES
from tests.live import LiveServer, jsonl, rows
from tests.tiny import TALK, make_tiny_model

# Before torch is loaded: threads that spin while they wait take tiny models twelve times as long when anything else
# wants a core (8.4 s instead of 0.7 s to teach one, measured). Workers set it themselves.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Tests keep their models and data in temporary folders, which a server would not read unasked.
os.environ["MODELFORGE_DATA_ROOTS"] = os.sep

# What is compiled, once for all tests: their workers have a home folder each, where it would be made anew.
if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="modelforge-compiled-")
    atexit.register(shutil.rmtree, os.environ["TORCHINDUCTOR_CACHE_DIR"], ignore_errors=True)

# A shell that runs a script's command in the background has it ignore Ctrl-C, and every process inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines that run tests are busy: how long an example takes says nothing. Examples are the same each time, so that a
# test fails by a change and not by chance; `make fuzz` and long lives look for new ones.
LOOKS_FOR_NEW = EXAMPLES > 0 or os.environ.get("MODELFORGE_LONG_LIFE") == "1"
settings.register_profile("modelforge", deadline=None, derandomize=not LOOKS_FOR_NEW)
settings.load_profile("modelforge")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Llama with random weights."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny-llama")


@pytest.fixture(scope="session")
def taught_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Llama that knows the answers of TALK by heart."""
    return make_tiny_model(tmp_path_factory.mktemp("taught") / "model", taught=TALK)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with ``rows.jsonl`` uploaded, for the tests of one module."""
    live = LiveServer(tmp_path_factory.mktemp("home")).start()
    live.upload("rows.jsonl", jsonl(rows(40)))
    yield live
    live.close()
