"""The script itself: a tiny training from nothing learns and writes a folder that loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from starter import pretrain
from starter.evaluate import answers, load


def test_thirty_steps_lower_the_loss_and_leave_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "WARMUP_STEPS", 5)
    losses = pretrain.pretrain(tmp_path, minutes=1, steps=30, width=128, layers=1, rows=2, texts=300, compiled=False)
    assert len(losses) == 30
    assert sum(losses[-5:]) / 5 < sum(losses[:5]) / 5 - 0.5
    [stage] = json.loads((tmp_path / "training.json").read_text())["stages"]
    assert stage["steps"] == 30
    assert stage["tokens"] > 10_000
    model, tokenizer = load(tmp_path)
    assert isinstance(answers(model, tokenizer, ["Hello"], max_new_tokens=4)[0], str)


def test_a_second_stage_goes_on_from_the_first(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    pretrain.pretrain(first, minutes=1, steps=2, width=128, layers=1, rows=1, texts=300, compiled=False)
    pretrain.pretrain(second, minutes=1, steps=3, seed=1, start=first, favoured=("copying",), rows=1, compiled=False)
    stages = json.loads((second / "training.json").read_text())["stages"]
    assert [(stage["steps"], stage["favoured"]) for stage in stages] == [(2, []), (3, ["copying"])]
    counts = [sum(json.loads((folder / "token_counts.json").read_text())) for folder in (first, second)]
    assert counts[1] > counts[0]


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    assert pretrain.rate_at(0.0, 0) < 0.02
    assert pretrain.rate_at(0.3, 1000) == 1.0
    assert 0.0 < pretrain.rate_at(0.9, 3000) < 0.2
    assert pretrain.rate_at(1.0, 4000) == 0.0
