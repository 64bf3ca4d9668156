"""The letters and their lines: the file is what the generator makes, and no line can be had without its letter."""

from __future__ import annotations

import json
from pathlib import Path

from modelforge.datasets.validate import validate
from starter import letters


def test_the_file_is_what_the_generator_makes(datasets: Path) -> None:
    file = datasets / "summarization.jsonl"
    assert [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] == list(letters.rows())
    report = validate(file)
    assert report.valid and report.shape == "input_output"
    assert report.num_examples == letters.LETTERS
    assert file.stat().st_size < 250_000


def test_no_two_letters_say_the_same_and_every_word_comes_back() -> None:
    rows = list(letters.rows())
    lines = [row["output"] for row in rows]
    assert len(set(lines)) == len(lines)
    for kind in (letters.PEOPLE, letters.TOWNS, letters.GOODS):
        for word in kind:
            assert sum(f"{word} " in line or f"{word}:" in line for line in lines) >= 10
    for row in rows:
        who, town, good = (row["output"].replace(":", "").split()[at] for at in (0, 2, 3))
        assert who in row["input"] and town in row["input"] and good in row["input"]
