"""``modelforge train --check``: the word of a start, and no start."""

from __future__ import annotations

from pathlib import Path

from tests.cli.program import documents, modelforge, write_rows


def test_a_run_is_checked_and_not_begun(tmp_path: Path) -> None:
    home, file = tmp_path / "home", write_rows(tmp_path / "rows.jsonl", 20)
    words = ["train", "--check", "--task", "text-generation", "--model-name", "modelforge-starter"]
    good = modelforge(*words, "--dataset", "rows.jsonl", home=home, cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    shown = " ".join(good.stdout.split())
    assert "Steps 4, of 4 examples each" in shown and "This run can start." in shown
    assert "activations" in shown and "free: fits" in shown and str(file) in good.stdout
    bad = modelforge(*words, "--dataset", "rows.jsonl", "--max-seq-length", "100000", home=home, cwd=tmp_path)
    assert bad.returncode == 1 and "can start" not in bad.stdout
    assert "max_seq_length: 100000 is more than" in bad.stderr
    told = modelforge(
        *words, "--dataset", "rows.jsonl", "--max-seq-length", "100000", "--json", home=home, cwd=tmp_path
    )
    assert told.returncode == 1
    [found] = documents(told.stdout)
    assert (found["ok"], found["status_code"]) == (False, 400)
    assert [problem["field"] for problem in found["problems"]] == ["max_seq_length"]
    preset = modelforge(*words, "--dataset", "rows.jsonl", "--preset", "balanced", home=home, cwd=tmp_path)
    shown = " ".join(preset.stdout.split())
    assert "balanced: num_train_epochs 20, learning_rate 0.0025, lora_r 16, eval_split 0.1" in shown
    wrong = modelforge(*words, "--dataset", "rows.jsonl", "--lora-r", "0", home=home, cwd=tmp_path)
    assert wrong.returncode == 1 and "lora_r: must be" in wrong.stderr
    assert list((home / "runs").iterdir()) == [] and list((home / "scratch").iterdir()) == []
