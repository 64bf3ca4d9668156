"""The benchmarks' tables: settings that the contract accepts, figures that are right on worked cases."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from statistics import mean

import pytest

from benchmarks.learning import DATA, HEADINGS, Outcome, lines_of, markdown, rows_of
from benchmarks.product import Trained
from benchmarks.runs import RUNS, Goal, Run
from benchmarks.scores import f1, rouge_l
from benchmarks.speed import rows, table
from benchmarks.speed.arithmetic import flops
from benchmarks.speed.cases import CASES, EVAL_SPLIT, GPU_CASES, Case, Rival, chosen
from benchmarks.speed.contenders import Measured
from benchmarks.speed.models import MODELS, Llama
from benchmarks.speed.table import Limit, Result
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


def test_the_rows_that_are_timed_are_as_long_as_is_said() -> None:
    made = rows.instructions(560, seed=42)
    assert made == rows.instructions(560, seed=42)
    assert made != rows.instructions(560, seed=43)
    sizes = rows.sizes(made)
    tokens = sorted(map(sum, sizes))
    assert sum(tokens) > 60_000
    assert mean(tokens) == pytest.approx(rows.MEAN, rel=0.02)
    assert tokens[int(0.99 * len(tokens))] == pytest.approx(rows.P99, rel=0.05)
    assert sum(completion for _, completion in sizes) / sum(tokens) == pytest.approx(rows.COMPLETION, abs=0.02)


def test_answers_stand_in_their_contexts() -> None:
    for row in rows.questions(30, seed=1):
        assert row["context"][row["answer_start"] :].startswith(row["answer"])


@pytest.mark.parametrize("case", [*CASES, *GPU_CASES], ids=lambda case: case.name)
def test_each_row_that_is_timed_is_seen_once(case: Case) -> None:
    made = case.rows(case.steps)
    assert made - max(1, -int(-EVAL_SPLIT * made // 1)) >= case.steps * case.examples


def test_arithmetic_of_a_small_model_worked_by_hand() -> None:
    shape = Llama(hidden=8, mlp=16, layers=2, heads=2, kv_heads=1, vocab=32)
    # q and o 64 weights each, k and v 32, gate, up and down 128: 576 a layer. With rank 1, q and o have 16 of adapters,
    # k and v 12, gate, up and down 24: 128 a layer.
    layers = 2 * (4 * 576 + 6 * 128)
    lowest = 2 * (64 + 32 + 32) + 2 * (8 + 8 + 8)
    attention = 6 * 2 * 8 * (5 * 6 / 2) * 2
    assert flops(shape, [(3, 2)], rank=1) == 5 * (layers - lowest) + 2 * 4 * 8 * 32 + attention


def test_arithmetic_of_the_model_that_is_timed() -> None:
    shape = MODELS["135M"]
    assert isinstance(shape, Llama)
    sizes = rows.sizes(rows.instructions(560, seed=42))
    assert flops(shape, sizes) / sum(map(sum, sizes)) == pytest.approx(0.54e9, rel=0.01)


def _result() -> Result:
    case = Case("sft", "5M", (Rival("quick", "quick", 2, 3, memory=0.6), Rival("absent", "absent", 2)), share=True)
    ours = [Measured(1000, seconds, 4, 500.0, 5.0, "tcmalloc") for seconds in (1.0, 2.0, 4.0)]
    theirs = [Measured(1000, 8.0, 4, 1000.0, 9.0, "", 2, {"torch": "2"}) for _ in ours]
    result = Result(case, ours, {"quick": list(zip(ours, theirs, strict=True))}, faults={"absent": "not installed"})
    result.limit = Limit(1e9, [{"bf16": 900.0, "fp32": 500.0}, {"bf16": 1000.0, "fp32": 400.0}])
    return result


def test_the_table_of_made_up_runs() -> None:
    quick, absent = table.lines_of(_result())
    assert quick[2:5] == ("500 tokens/s", "125 tokens/s", "4.00 (2.00–8.00)")
    assert quick[5:] == ("≥ 2, 3; memory ≤ 0.6", "yes", "0.50 (0.50–0.50)", "5.0 / 9.0")
    assert absent[4] == "no figures: see below"
    notes = "\n".join(table.notes_of(_result()))
    assert "50% of the bf16 limit, 100% of that of fp32" in notes
    assert "bf16 900 before, 1000 after" in notes
    assert "allocator tcmalloc" in notes
    assert "absent: no figures, not installed" in notes
    slower = Result(_result().case, pairs={"quick": [(b, a) for a, b in _result().pairs["quick"]]})
    assert table.lines_of(slower)[0][6] == "NO"


def test_an_entry_of_the_log_comes_before_the_newest(tmp_path: Path) -> None:
    log = tmp_path / "LOG.md"
    log.write_text("# Measurements\n\nNewest first.\n\n## 2026-01-01: old\n\nText.\n", encoding="utf-8")
    table.add_to_log(log, "speed", table.markdown(table.lines_of(_result())), date(2026, 1, 2))
    titles = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert titles == ["# Measurements", "## 2026-01-02: speed", "## 2026-01-01: old"]
    assert log.read_text(encoding="utf-8").endswith("|\n\n## 2026-01-01: old\n\nText.\n")


def test_runs_are_chosen_by_name_or_its_beginning() -> None:
    assert [case.name for case in chosen(CASES, ["decode", "qa"])] == ["qa", "decode-1", "decode-8"]
    assert chosen(CASES, []) == list(CASES)
    with pytest.raises(ValueError, match="no 'sfd'"):
        chosen(CASES, ["sfd"])
