"""The learning benchmark's table: settings that the contract accepts, scores that are right on worked cases."""

from __future__ import annotations

import pytest

from benchmarks.learning import DATA, HEADINGS, Outcome, lines_of, markdown, rows_of
from benchmarks.product import Trained
from benchmarks.runs import RUNS, Goal, Run
from benchmarks.scores import f1, rouge_l
from modelforge.contracts.training import TrainingConfig


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_the_contract_accepts_the_settings(run: Run) -> None:
    TrainingConfig.model_validate({**run.settings, "model_name": run.model, "dataset": run.dataset, "seed": 1})


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_what_is_held_out_is_not_trained_on(run: Run) -> None:
    if not (DATA / run.dataset).is_file():
        pytest.skip(f"{run.dataset} is not bundled yet")
    trained, held_out = rows_of(run)
    column = run.split_by or "input"
    assert trained
    assert bool(held_out) == (run.held_out is not None or run.split_by is not None)
    assert not {row.get(column) for row in trained} & {row[column] for row in held_out}


@pytest.mark.parametrize(
    ("goal", "before", "after", "met"),
    [
        (Goal("x", 0.9), None, 0.9, True),
        (Goal("x", 0.9), None, 0.89, False),
        (Goal("x", 0.9, most_before=0.1), 0.2, 1.0, False),
        (Goal("x", 0.9, most_before=0.1), None, 1.0, False),
        (Goal("x", rise=0.2), 0.5, 0.65, False),
        (Goal("x", rise=0.2), 0.5, 0.75, True),
        (Goal("x"), None, 0.0, True),
    ],
)
def test_a_goal(goal: Goal, before: float | None, after: float, met: bool) -> None:
    assert goal.met(before, after) is met


def test_a_goal_that_one_seed_misses_is_not_met() -> None:
    run = Run("r", "d", {}, lambda *_: {}, (Goal("x", 0.5), Goal("y")))
    outcomes = [Outcome({}, {"x": x, "y": 1.0}, Trained("m", {}, [], 10.0)) for x in (0.4, 0.8)]
    lines = lines_of(run, outcomes)
    assert lines[0] == ("r", "x", "", "0.6 (0.4–0.8)", "≥ 50%", "NO")
    assert lines[1][-2:] == ("reported", "")
    assert markdown(lines).splitlines()[0] == f"| {' | '.join(HEADINGS)} |"


def test_scores_on_worked_cases() -> None:
    assert rouge_l("The cat sat.", "the cat sat") == 1.0
    assert rouge_l("the cat", "the dog sat") == pytest.approx(2 * 1 / 5)
    assert rouge_l("", "the dog") == 0.0
    assert f1("the Red lamp", "red lamp.") == 1.0
    assert f1("red box", "red lamp") == 0.5
    assert f1("", "lamp") == 0.0
