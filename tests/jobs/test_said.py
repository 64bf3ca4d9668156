"""Samples are read from a run's events, whatever else is there."""

from __future__ import annotations

from pathlib import Path

from modelforge.jobs.said import samples_of
from modelforge.worker.report import Report


def test_the_later_attempts_answer_stands(tmp_path: Path) -> None:
    first = Report(tmp_path, attempt=1)
    first.message('a line with "kind":"sample" in it')
    for step in (0, 10, 20):
        first.sample(step, "Say hello.", f"hello {step}", expected="Hello!")
        first.metrics(step, 0.0, {"loss": 1.0})
    first.sample(20, "Say hello.", "drawn", 0.5)
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"kind":"sample","step":"torn')
    second = Report(tmp_path, attempt=2)
    second.sample(10, "Say hello.", "hello again", expected="Hello!")
    found = samples_of(tmp_path / "events.jsonl")
    assert [(each.step, each.attempt, each.completion, each.reward) for each in found] == [
        (0, 1, "hello 0", None),
        (10, 2, "hello again", None),
        (20, 1, "hello 20", None),
        (20, 1, "drawn", 0.5),
    ]
    assert found[0].expected == "Hello!" and found[3].expected is None


def test_a_run_that_has_said_nothing(tmp_path: Path) -> None:
    assert samples_of(tmp_path / "events.jsonl") == []
