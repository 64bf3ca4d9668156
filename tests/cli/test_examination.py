"""``modelforge datasets check`` with a closer look."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.program import modelforge
from tests.datasets.planted import planted
from tests.live import LiveServer, jsonl, rows


def test_a_file_is_looked_at_closer(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    data = planted(100, 10, seed=1)
    file.write_bytes(jsonl([*data.rows, data.rows[0]]))
    wanted = ("--near-duplicates", "all", "--model-name", "modelforge-starter", "--max-seq-length", "100")
    done = modelforge("datasets", "check", str(file), *wanted, "--json", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["valid"] and found["examination"]["exact_duplicates"] == 1
    assert found["examination"]["near_duplicates"]["scope"] == "all"
    assert found["examination"]["token_lengths"]["max_seq_length"] == 100
    plain = modelforge("datasets", "check", str(file), "--sample", "100", home=tmp_path / "home")
    assert "Exact duplicates" in plain.stdout and "the same as an earlier row (as line 1)" in plain.stderr
    assert "examination" not in json.loads(
        modelforge("datasets", "check", str(file), "--json", home=tmp_path / "home").stdout
    )


def test_a_table_is_looked_at_as_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    lines = [f"what is {n}?,it is the number {n}" for n in range(30)]
    file.write_text("\n".join(["input,output", *lines, lines[4]]), encoding="utf-8")
    done = modelforge("datasets", "check", str(file), "--sample", "100", "--json", home=tmp_path / "home")
    assert json.loads(done.stdout)["examination"]["exact_duplicates"] == 1


def test_a_dataset_is_looked_at_by_its_name(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "home")
    try:
        server.start()
        server.upload("mine.jsonl", jsonl([*rows(30), rows(1)[0]]))
        first = modelforge("datasets", "check", "mine.jsonl", "--json", home=tmp_path / "home")
        assert json.loads(first.stdout)["examination"] is None
        done = modelforge("datasets", "check", "mine.jsonl", "--eval-split", "0", "--json", home=tmp_path / "home")
        assert json.loads(done.stdout)["examination"]["exact_duplicates"] == 1
        kept = modelforge("datasets", "check", "mine.jsonl", home=tmp_path / "home")
        assert "Exact duplicates" in kept.stdout
        none = modelforge("datasets", "check", "mein.jsonl", home=tmp_path / "home")
        assert none.returncode == 1 and "Did you mean 'mine.jsonl'" in none.stderr
    finally:
        server.close()


def test_what_a_file_cannot_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_bytes(jsonl(rows(20)))
    done = modelforge("datasets", "check", str(file), "--against", "other", home=tmp_path / "home")
    assert done.returncode == 2 and "is for datasets that were added" in done.stderr
    assert modelforge("datasets", "check", str(tmp_path / "none.jsonl"), home=tmp_path / "home").returncode == 2
