"""The bundled questions about notes: as the generator makes them, and each with one answer that can be pointed at."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from starter.questions import FACTS_IN_A_NOTE, KINDS, NOTES, rows


def test_the_file_is_what_the_generator_makes(datasets: Path) -> None:
    path = datasets / "qa.jsonl"
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == list(rows())
    assert path.stat().st_size < 200_000


def test_answers_stand_once_in_notes_that_are_asked_for_all_they_tell() -> None:
    asked: dict[str, set[str]] = defaultdict(set)
    for row in rows():
        assert row["context"].count(row["answer"]) == 1
        asked[row["context"]].add(row["answer"])
    assert len(asked) == NOTES
    assert {len(answers) for answers in asked.values()} == {FACTS_IN_A_NOTE}


def test_unanswerable_questions_ask_for_what_the_note_does_not_tell() -> None:
    made = list(rows(20, 3, KINDS[:4], unanswerable=True))
    assert [bool(row["answer"]) for row in made] == [True, True, True, False] * 20
