"""How much harm is done, and the table at the end.

``FAULTS=full`` does all of it, some twenty minutes long; otherwise a short form is run. The moments are random:
``FAULTS_SEED`` repeats those of an earlier run, whose seed is printed below its table.
"""

from __future__ import annotations

import os
import random
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.faults.harm import Reference, begin, undisturbed
from tests.faults.table import Table
from tests.live import LiveServer, jsonl, rows

FULL = os.environ.get("FAULTS") == "full"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))
TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = Table()
    config.addinivalue_line("markers", "fault(name, times=1): what the test does to a run, for the table at the end")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Counts what a test of one story did: where it fails, its run is lost."""
    report = yield
    mark = item.get_closest_marker("fault")
    if mark is not None and report.when == "call" and not report.skipped:
        fault = item.config.stash[TABLE].line(mark.args[0])
        fault.injected += mark.kwargs.get("times", 1)
        fault.runs_lost += report.failed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[TABLE].lines()
    if lines:
        terminalreporter.section("faults")
        terminalreporter.write_line("\n".join(lines))
        terminalreporter.write_line(f"FAULTS={'full' if FULL else 'short'} FAULTS_SEED={SEED}")


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether all harm is to be done that there is."""
    return FULL


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    return request.config.stash[TABLE]


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Random moments, the same for a test by itself as among the others."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def home_server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server of this test's own."""
    live = LiveServer(tmp_path / "home").start()
    live.upload("rows.jsonl", jsonl(rows(40)))
    yield live
    try:
        if live.process is not None and live.process.poll() is None:
            live.call("POST", "/api/stop_training", params={"force": True})
    except AssertionError:
        pass  # nothing ran any more
    live.close()


@pytest.fixture(scope="session")
def reference(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What the run comes to that nothing happens to."""
    server = LiveServer(tmp_path_factory.mktemp("undisturbed") / "home").start()
    try:
        server.upload("rows.jsonl", jsonl(rows(40)))
        job = server.wait(begin(server, tiny_model, "whole"), seconds=300)
        assert job["status"] == "completed", job
        return undisturbed(server, job["id"])
    finally:
        server.close()
