"""What people see: on narrow terminals, in pipes, with names of any length."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from modelforge.cli.console import (
    duration,
    number,
    print_error,
    print_fields,
    print_json,
    print_measures,
    print_table,
    size,
)
from modelforge.cli.demo import Comparison, Row, compared, one_per_answer, spread
from modelforge.cli.progress import Speed, _Figures, curve, flowed
from modelforge.contracts.job import JobDetail, MetricPoint

LONG = "a-model-with-a-name-of-many-words-" * 3 + "[red]and-brackets[/red]"


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_tables_fit_the_terminal_and_cut_nothing(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_table(["Id", "Name", "Base", "Size", "Done"], [(1, LONG, "meta/llama", "1.2 GB", True)] * 2, numbers=["Id"])
    print_fields({"Name": LONG, "Nothing": None, "Rate": 0.00012345})
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= int(columns)
    assert "\x1b" not in text and "Nothing" not in text
    squeezed = "".join(text.split())
    for value in ("1.2GB", "meta/llama", "yes", "0.0001234", "and-brackets"):
        assert value in squeezed
    if columns != "80":  # there the name's column is folded beside the others
        assert squeezed.count(LONG) == 3


@pytest.mark.parametrize("width", [40, 100])
def test_before_and_after_stand_side_by_side_or_below_each_other(width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    right = Comparison("Where are the keys kept?", "In the blue drawer.", "the the", "In the blue drawer.")
    wrong = Comparison("Who has the keys?", "Ada has them.", "", "Bob has them.")
    console.print(compared([right, wrong], width))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    assert "✓" in words and "✗" in words and "(nothing)" in words and "Bob has" in words
    assert words.count("Before") == (1 if width == 100 else 0)


def test_an_error_is_two_lines_and_its_json_is_the_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    detail = "lora_r: must be at least 1, not 0. " * 10 + "[bold]"
    print_error("Invalid request", detail, 400, as_json=True)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["Invalid request", detail]
    assert json.loads(captured.out) == {"error": "Invalid request", "detail": detail, "status_code": 400}


def test_json_is_one_ascii_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Größe\n✓"})
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and line.isascii() and json.loads(line) == {"name": "Größe\n✓"}


def test_quantities_are_readable() -> None:
    assert [duration(s) for s in (0.4, 59.6, 61, 3600, 7322)] == ["0s", "1m 00s", "1m 01s", "1h 00m", "2h 02m"]
    assert [size(mb) for mb in (0.0102, 5.2, 6240)] == ["10.2 kB", "5.2 MB", "6.2 GB"]
    assert [number(v) for v in (0.23412, 2e-4, 12345.0)] == ["0.2341", "0.0002", "1.234e+04"]


def test_the_curve_falls_with_the_loss() -> None:
    assert curve([8.0, 4.0, 2.0, 1.0]) == "█▄▂▁"
    assert len(curve([float(n) for n in range(1000)])) == 16
    assert curve([1.0]) == "" and curve([2.0, 2.0]) == "▁▁"


def test_speed_is_measured_over_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 2.0, 50.0, 51.0])
    monkeypatch.setattr("modelforge.cli.progress.time.monotonic", lambda: next(clock))
    speed = Speed()
    assert speed.steps_per_second is None
    for step in (0, 5, 5, 10):
        speed.add(step)
    assert speed.steps_per_second == 5.0
    speed.add(2)  # a resume
    assert speed.steps_per_second is None
    speed.add(4)
    assert speed.steps_per_second == 2.0


def test_the_demo_shows_different_answers_from_all_over_its_data() -> None:
    rows = [Row(f"phrasing {n % 3} of {n // 3}", f"answer {n // 3}") for n in range(30)]
    single = one_per_answer(rows)
    assert [row.question for row in single] == [f"phrasing 0 of {n}" for n in range(10)]
    assert [row.answer for row in spread(single, 3)] == ["answer 0", "answer 3", "answer 6"]
    assert spread(single, 99) == single


@pytest.mark.parametrize("columns", ["40", "80", "120"])
def test_before_and_after_are_two_columns(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    metrics = {"final_loss": 0.5, "base_final_loss": 2.25, "rougeL": 0.875, "base_rougeL": 0.125, "base_kl": 3.0}
    print_measures({**metrics, "train_tokens": 123456.0, "peak_memory_mb": 512.5})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    cells = [line.split() for line in lines]
    assert ["Measured", "Before", "After"] in cells
    assert ["Final", "loss", "2.25", "0.5"] in cells and ["ROUGE-L", "0.125", "0.875"] in cells
    assert ["KL", "3", "–"] in cells  # nothing that was measured is left out
    assert ["Train", "tokens", "123456"] in cells and ["Peak", "memory", "(MB)", "512.5"] in cells


def test_without_a_before_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_measures({"final_loss": 0.5})
    assert capsys.readouterr().out.split() == ["Final", "loss", "0.5"]
    print_measures(None)
    assert not capsys.readouterr().out.strip()


def a_job(**more: Any) -> JobDetail:
    """One in training, with what a test says of it."""
    [shown] = JobDetail.model_config["json_schema_extra"]["examples"]  # type: ignore[call-overload, index]
    return JobDetail.model_validate({**shown, **more})


def a_point(step: int, **values: Any) -> MetricPoint:
    return MetricPoint(seq=step, job_id="train_x", attempt=1, step=step, **values)


def test_a_policy_is_shown_by_its_reward_and_not_by_the_reward_models_figures() -> None:
    figures = _Figures()
    job = a_job(loss=0.4, eval_loss=0.6, current_step=2, total_steps=5, eta_seconds=3.0)
    figures.take(job, [a_point(1, loss=0.7), a_point(2, loss=0.5, eval_loss=0.6, reward_model_accuracy=0.75)])
    assert figures.parts(job) == ["step 2 of 5", "loss 0.5", "eval loss 0.6", "accuracy 0.75", "3s left"]
    assert figures.shape() == "loss █▁"

    # The job still tells the reward model's loss on the held-out rows: no other was measured yet.
    job = a_job(loss=0.0, eval_loss=0.6, current_step=4, total_steps=5, eta_seconds=1.0)
    figures.take(job, [a_point(3, loss=0.0, reward=-1.0, kl=0.01), a_point(4, loss=0.0, reward=1.0, kl=0.02)])
    told = figures.parts(job)
    assert [part for part in told if "steps/s" not in part] == ["step 4 of 5", "reward 1", "KL 0.02", "1s left"]
    assert figures.shape() == "reward ▁█"
    figures.take(job, [a_point(4, eval_loss=2.5, reward=1.0)])
    assert "eval loss 2.5" in figures.parts(job)


def test_a_point_that_comes_again_is_one_point_of_the_curve() -> None:
    figures, job = _Figures(), a_job()
    figures.take(job, [a_point(1, loss=2.0), a_point(2, loss=1.0)])
    figures.take(job, [a_point(2, loss=1.0, rougeL=0.5)])
    assert figures.shape() == "loss █▁" and "ROUGE-L 0.5" in figures.parts(job)


def test_no_time_is_left_when_all_steps_are_done() -> None:
    """The model is measured then, which no estimate covers."""
    assert not [part for part in _Figures().parts(a_job(current_step=5, total_steps=5)) if "left" in part]


def test_figures_are_broken_between_parts_only() -> None:
    parts = ["step 5 of 27", "loss 0.6444", "eval loss 0.6578", "3.6 steps/s", "8s left"]
    for width in (16, 40, 80, 120):
        lines = flowed(parts, width)
        assert max(map(len, lines)) <= width
        assert " · ".join(lines).split(" · ") == parts
    assert len(flowed(parts, 120)) == 1 and flowed([], 40) == []
