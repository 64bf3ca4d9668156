"""From a table with columns of its own to rows that can be trained on, in a terminal; and what a script reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelforge.cli.app import run
from modelforge.cli.versions import _beside, _cell
from tests.cli.program import document, modelforge
from tests.live import jsonl


@pytest.fixture
def home(tmp_path: Path) -> Path:
    table = [{"Kundenfrage": f"Wann am {i}.?", "Antwort": f" Um {i} Uhr. "} for i in range(12)]
    (tmp_path / "faq.jsonl").write_bytes(jsonl([*table, table[3], {"Kundenfrage": "Warum?"}]))
    document("datasets", "add", str(tmp_path / "faq.jsonl"), home=tmp_path / "home")
    return tmp_path / "home"


def test_a_table_becomes_rows_by_and_by(home: Path) -> None:
    suggested = modelforge("datasets", "map", "faq.jsonl", home=home).stdout
    assert "1. input_output" in suggested and "{Kundenfrage}" in suggested and "--apply" in suggested
    mapped = document("datasets", "map", "faq.jsonl", "--apply", "1", home=home)
    assert mapped["version"] == 2 and mapped["num_examples"] == 13
    offered = modelforge("datasets", "fix", "faq.jsonl", home=home).stdout
    assert "trim_whitespace" in offered and "drop_exact_duplicates" in offered
    fixes = ("trim_whitespace", "drop_bad_rows", "drop_exact_duplicates")
    tried = modelforge("datasets", "fix", "faq.jsonl", *fixes, "--dry-run", home=home).stdout
    assert "Would be: 2 rows removed, 12 changed; 12 usable examples." in tried and "Um 0 Uhr." in tried
    assert "- output" in tried and "- input" not in tried and "{" not in tried and "Nothing was changed" in tried
    fixed = modelforge("datasets", "fix", "faq.jsonl", *fixes, home=home)
    assert "Made version 3 of faq.jsonl: 2 rows removed, 12 changed." in fixed.stdout, fixed.stderr
    again = modelforge("datasets", "fix", "faq.jsonl", *fixes, home=home).stdout
    assert again == "Nothing to change: faq.jsonl stays at version 3.\n"

    row = json.dumps({"input": "Wann am 1.?", "output": "Nie."})
    words = ("--set", f"2={row}", "--delete", "3", "--append", row, "--version", "3")
    assert (
        document("datasets", "edit", "faq.jsonl", *words, home=home)["summary"] == "1 row removed, 1 changed, 1 added"
    )
    late = modelforge("datasets", "edit", "faq.jsonl", *words, home=home)
    assert late.returncode == 1 and late.stderr.splitlines()[0] == "Conflict"
    compared = modelforge("datasets", "compare", "faq.jsonl", "3", "4", home=home).stdout
    assert compared.startswith("10 the same, 1 changed, 1 added, 1 removed.") and "Changed: row 2" in compared
    assert (
        "- output  Um 1 Uhr." in compared
        and "+ output  Nie." in compared
        and "- input" not in compared.split("Removed")[0]
    )
    found = modelforge("datasets", "rows", "faq.jsonl", "--search", "nie", home=home).stdout
    assert "Row 2" in found and "Row 15" in found and found.count("Row") == 2
    first = modelforge("datasets", "rows", "faq.jsonl", "--version", "1", "--limit", "1", home=home)
    assert "Kundenfrage" in first.stdout and "--offset 1" in first.stderr
    versions = modelforge("datasets", "versions", "faq.jsonl", home=home, COLUMNS="200").stdout
    assert [line.split()[2] for line in versions.splitlines()[2:]] == ["upload", "map", "fix", "edit"]
    shown = modelforge("datasets", "show", "faq.jsonl", "--version", "2", home=home)
    assert "input_output" in shown.stdout and "begins or ends with white space (13 rows)" in " ".join(
        shown.stderr.split()
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("edit", "faq.jsonl", "--set", "7"), "lacks a '='"),
        (("edit", "faq.jsonl", "--set", "x={}"), "no row's number"),
        (("edit", "faq.jsonl", "--append", "[1]"), "JSON object"),
        (("edit", "faq.jsonl", "--append", "{"), "not JSON"),
        (("map", "faq.jsonl", "--field", "input={x}"), "--field needs --shape"),
        (("rows", "faq.jsonl"), "there is no dataset 'faq.jsonl'"),
        (("check", "faq.jsonl"), "there is no file 'faq.jsonl' here, and there is no dataset 'faq.jsonl'"),
    ],
)
def test_what_cannot_be_is_told_in_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(["--home", str(tmp_path), "datasets", *words]) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 2 and said in told


def test_each_command_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        run(["--home", str(tmp_path / "home"), "datasets", *words])
        return " ".join(capsys.readouterr().out.split())

    table = [{"Kundenfrage": f"Wann am {i}.?", "Antwort": f" Um {i} Uhr. "} for i in range(12)]
    file = tmp_path / "two words.jsonl"
    file.write_bytes(jsonl([*table, {"Kundenfrage": "Warum?"}]))
    assert f"datasets add '{file}'" in said("check", str(file))
    added = said("add", str(file))
    assert "datasets map 'two words.jsonl'" in added and "datasets fix" not in added and "train --dataset" not in added
    assert "13 rows, of which none can be trained on before its columns are mapped" in added
    assert "datasets map 'two words.jsonl' --apply 1" in said("map", file.name)
    mapped = said("map", file.name, "--apply", "1")
    assert "datasets fix 'two words.jsonl'" in mapped
    assert "train --dataset 'two words.jsonl' --model-name modelforge-starter --task text-generation" in mapped
    offered = said("fix", file.name)
    assert "fix 'two words.jsonl' trim_whitespace drop_bad_rows --dry-run" in offered
    assert "check 'two words.jsonl' --near-duplicates all" in offered


def test_two_texts_are_shown_where_they_begin_to_differ() -> None:
    one, other = _beside("x" * 1000 + "yes" + "z" * 1000, "x" * 1000 + "no")
    assert one == "…" + "x" * 60 + "yes" + "z" * 435 + "…" and other == "…" + "x" * 60 + "no"
    assert _beside("a", None) == ("a", None) and _beside("a b", "a c") == ("a b", "a c")
    assert _beside("x" * 600, "y")[0] == "x" * 499 + "…"
    assert _beside(1, "1") == ("1", '"1"') and _beside({"a": 1}, None) == ('{"a": 1}', None)


def test_long_values_are_shortened() -> None:
    assert len(_cell("x" * 10_000)) == 500 and _cell({"ü": 1}) == '{"ü": 1}'
