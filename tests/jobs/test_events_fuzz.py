"""No bytes in a run's events break who reads them, and each whole line is read once, however the file grows."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from modelforge.contracts.events import EVENT_SCHEMA, parse_event
from modelforge.contracts.job import JobState
from modelforge.jobs.ledger import _lines_from
from modelforge.store.jobs import get_job, list_metrics, newest_events, status_of
from modelforge.store.tables import EventRow, MetricRow, ModelRow
from tests.fuzz import fuzzed
from tests.ledgers import JOB, Run

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*JobState, "user", "1e999", "2026-01-01T00:00:00Z", "\0", "loss", "seq", "step"])
)
ANYTHING = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["loss", "eval_loss", "learning_rate", "seq", "step", "epoch", "job_id", "attempt", "", "model_config"]
)
FIELDS: dict[str, dict[str, Any]] = {
    "state": {"state": "training", "message": "m", "error": None, "cause": "user", "total_steps": 4, "total_epochs": 1,
              "metrics": {"final_loss": 0.5}},
    "progress": {"step": 1, "total_steps": 4, "epoch": 0.5, "total_epochs": 1, "eta_seconds": 1.5},
    "metrics": {"step": 1, "epoch": 0.5, "values": {"loss": 0.5}},
    "checkpoint": {"step": 1, "path": "/c"},
    "message": {"text": "t"},
    "sample": {"step": 1, "prompt": "p", "completion": "c", "reward": 0.5},
}  # fmt: skip


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """An event as a worker writes it, some of its fields turned into anything."""
    kind = draw(st.sampled_from([*FIELDS]))
    event = {"v": EVENT_SCHEMA, "line": 1, "attempt": 1, "kind": kind, "at": "2026-01-01T00:00:00Z", **FIELDS[kind]}
    for name in draw(st.lists(st.sampled_from([*event]), max_size=2)):
        event[name] = draw(ANYTHING)
    if kind == "metrics" and draw(st.booleans()):
        event["values"] = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    return json.dumps(event).encode("utf-8", "surrogatepass")


LINES = (
    events() | st.binary(max_size=60) | st.sampled_from([b"", b"\r", b"[" * 3000, b'{"v":1,"line":77,"kin', b"\0" * 9])
)
FILES = st.lists(LINES, max_size=5).map(b"\n".join)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events") / "events.jsonl"


@fuzzed(300)
@given(content=FILES, cuts=st.lists(st.integers(0, 400), max_size=5))
def test_each_whole_line_is_read_once_and_parses_or_not(file: Path, content: bytes, cuts: list[int]) -> None:
    file.write_bytes(b"")
    read: list[bytes] = []
    offset = done = 0
    for cut in [*sorted(min(cut, len(content)) for cut in cuts), len(content)]:
        with file.open("ab") as stream:
            stream.write(content[done:cut])
        done = cut
        lines, length = _lines_from(file, offset)
        offset += length
        read += lines
    whole = content[: content.rfind(b"\n") + 1]
    assert offset == len(whole)
    assert read == [line for line in whole.split(b"\n") if line.strip()]
    for line in read:
        with suppress(ValueError):
            parse_event(line)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("ledger"))


def begin_anew(run: Run, state: JobState) -> None:
    """As if nothing had been said."""
    (run.folder / "events.jsonl").unlink(missing_ok=True)
    with run.database.session() as session:
        for table in (EventRow, MetricRow, ModelRow):
            session.execute(delete(table))
        job = get_job(session, JOB)
        job.status, job.events_offset, job.progress, job.model_id = state, 0, 0.0, None


@fuzzed(100)
@given(content=FILES, state=st.sampled_from(JobState))
def test_whatever_is_read_can_be_stored_and_told(run: Run, content: bytes, state: JobState) -> None:
    begin_anew(run, state)
    run.say(content + b"\n")
    status, changes, news, _ = run.ledger.ingest(JOB)
    assert news and run.job().events_offset == len(content) + 1
    with run.database.session() as session:
        told = [status, *changes.points, *changes.states, status_of(get_job(session, JOB))]
        told += [*newest_events(session, JOB), *list_metrics(session, JOB, None, 0)[0]]
    for each in told:
        json.dumps(each.model_dump(mode="json"), allow_nan=False)
