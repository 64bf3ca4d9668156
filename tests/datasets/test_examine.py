from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from modelforge.catalogue import bundled_model
from modelforge.contracts.examination import Examination
from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets import parts
from modelforge.datasets.child import ask
from modelforge.datasets.examine import examine
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.ingest import iter_rows
from modelforge.datasets.inquiry import Inquiry
from modelforge.datasets.notes import Asked, Notes, note
from modelforge.datasets.parts import Part
from modelforge.datasets.sample import Drawn, Sample, interval
from modelforge.datasets.stages import untold
from modelforge.errors import InvalidDataset
from modelforge.worker.encoding import share
from tests.datasets.planted import PLACES, SUBJECTS, THINGS, VERBS, planted, sentence

WANTED = 0.95


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.jsonl"


def write(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def look(file: Path, shape: str = "input_output", **options: Any) -> Examination:
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        return examine(Inquiry(path=str(file), shape=shape, scratch=scratch, **options), Path(scratch))


def codes_of(found: Examination) -> dict[str, list[int]]:
    return {finding.code: finding.rows for finding in found.findings}


def test_rows_that_are_the_same_are_counted_over_all(file: Path) -> None:
    rows: list[dict[str, Any]] = [{"input": f"what is {n}?", "output": f"it is {n * n}"} for n in range(100)]
    rows[30] = {"output": rows[7]["output"], "input": rows[7]["input"], "id": 30}  # what is learnt is the same
    rows[40] = rows[50] = rows[7]
    rows[60] = {"input": rows[9]["input"], "output": "nobody knows"}
    rows[70] = rows[60]
    found = look(write(file, rows))
    assert (found.rows, found.exact_duplicates, found.conflicting_answers) == (100, 4, 1)
    by_code = {finding.code: finding for finding in found.findings}
    assert by_code["exact_duplicates"].rows == [31, 41, 51, 71]
    assert (by_code["exact_duplicates"].place, by_code["exact_duplicates"].fix) == (
        "as line 8",
        "drop_exact_duplicates",
    )
    assert by_code["conflicting_answers"].rows == [61]
    assert by_code["conflicting_answers"].place == "asked in line 10, too"
    assert "nobody knows" in by_code["conflicting_answers"].excerpt


def test_bad_rows_and_blank_lines_keep_their_numbers(file: Path) -> None:
    good = [json.dumps({"input": f"question {n}", "output": f"answer {n}"}) for n in range(20)]
    file.write_text("\n".join([*good[:5], "", "{", *good[5:], good[3], ""]), encoding="utf-8")
    found = look(file)
    assert (found.rows, found.exact_duplicates) == (21, 1)
    assert codes_of(found)["exact_duplicates"] == [23]


@pytest.mark.parametrize("scope", ["sample", "all"])
def test_near_duplicates_and_leakage_of_a_planted_set(file: Path, scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if scope == "all":  # in partitions, as of a large file
        monkeypatch.setattr("modelforge.datasets.groups.AT_ONCE", 1000)
        monkeypatch.setattr("modelforge.datasets.duplicates.AT_ONCE", 1000)
    seen: dict[str, set[int]] = {}

    def note(code: str, lines: list[int]) -> None:
        seen[code] = {line - 1 for line in lines}

    # Findings tell five lines; here all are wanted.
    monkeypatch.setattr("modelforge.datasets.estimates.LISTED", 10**6)
    monkeypatch.setattr("modelforge.datasets.groups.LISTED", 10**6)
    data = planted(3000, 300, seed=5)
    found = look(write(file, data.rows), near_duplicates=scope, sample=10_000)
    for finding in found.findings:
        note(finding.code, finding.rows)
    near = found.near_duplicates.near
    assert found.near_duplicates.scope == scope
    assert near.rows == near.of == len(data.rows) and near.low == near.share == near.high
    assert near.found == len(seen["near_duplicates"])
    right = len(seen["near_duplicates"] & data.near)
    assert right / len(seen["near_duplicates"]) >= WANTED
    assert right / len(data.near) >= WANTED

    shape = SHAPES.get("input_output")
    held_out = {line - 1 for line, row in iter_rows(file, shape) if share(row, 42) < 0.2}
    leaked = data.leaked(held_out)
    assert len(leaked) > 50
    right = len(seen["leaked_rows"] & leaked)
    assert right / len(seen["leaked_rows"]) >= WANTED
    assert right / len(leaked) >= WANTED
    assert found.near_duplicates.leaked is not None
    assert found.near_duplicates.leaked.of == len(held_out)


@pytest.mark.parametrize("scope", ["sample", "all"])
def test_rows_by_one_pattern_do_not_hide_those_that_are_nearly_the_same(file: Path, scope: str) -> None:
    chance = random.Random(4)
    pattern = " ".join(chance.choices([*SUBJECTS, *PLACES, *VERBS, *THINGS], k=25))
    rows = [{"input": pattern, "output": sentence(chance) + sentence(chance)} for _ in range(600)]
    twins = [{"input": pattern, "output": f"{row['output']} again"} for row in rows[:40]]
    found = look(write(file, [*rows, *twins]), near_duplicates=scope).near_duplicates.near
    assert 0.95 * 80 <= found.found <= 80 / 0.95


def test_rows_that_another_dataset_holds_too(file: Path, tmp_path: Path) -> None:
    data = planted(1500, 200, seed=9)
    learnt = [row for number, row in enumerate(data.rows) if number not in data.twins]
    measured = [data.rows[number] for number in sorted(data.twins)] + planted(300, 0, seed=10).rows
    other = write(tmp_path / "other.jsonl", measured)
    found = look(write(file, learnt), against=str(other), against_shape="input_output", eval_split=0.0)
    shared = found.near_duplicates.shared
    assert shared is not None and shared.of == len(measured)
    assert abs(shared.found - len(data.twins)) <= (1 - WANTED) * len(data.twins)
    assert found.near_duplicates.leaked is None
    finding = next(finding for finding in found.findings if finding.code == "shared_rows")
    assert finding.place.endswith("of the other dataset")


def test_a_sample_says_how_sure_it_is(file: Path) -> None:
    data = planted(4000, 800, seed=3)
    found = look(write(file, data.rows), sample=1000)
    near = found.near_duplicates.near
    truth = len(data.near) / len(data.rows)
    assert near.rows == 1000 and near.of == len(data.rows)
    assert near.low < near.share < near.high and near.low - 0.02 < truth < near.high + 0.02
    again = look(write(file, [*data.rows, *planted(200, 0, seed=4).rows]), sample=1000)
    assert abs(again.near_duplicates.near.found - near.found) < 100
    finding = next(finding for finding in found.findings if finding.code == "near_duplicates")
    assert (
        f"of a sample of 1000 rows, so {near.low:.1%} to {near.high:.1%} of all {near.of} (at 95 %)" in finding.message
    )


def test_several_processes_find_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = planted(2000, 200, seed=6)
    write(file, [*data.rows, *data.rows[:30]])
    for options in ({"sample": 500}, {"near_duplicates": "all"}):
        one = look(file, **options)
        with monkeypatch.context() as patch:
            patch.setattr(parts, "WORTH_BYTES", file.stat().st_size // 3)
            patch.setattr(parts, "threads", lambda: 3)
            assert len(parts.divided(file)) == 3
            three = look(file, **options)
        assert one.model_copy(update={"seconds": 0}) == three.model_copy(update={"seconds": 0})


def test_a_part_is_noted_anew_where_its_process_broke(file: Path, tmp_path: Path) -> None:
    write(file, [{"input": f"what is {n}?", "output": f"it is {n}"} for n in range(50)])
    part, asked = Part(0, None), Asked(keys=True)
    for _ in range(2):  # what another process wrote of it is no second half
        assert note(file, part, "input_output", tmp_path, asked, untold).rows == 50
    notes = Notes(tmp_path, "0")
    assert notes.column("lines").tolist() == list(range(1, 51)) and len(notes.keys) == 50


def test_rows_are_measured_in_a_models_tokens(file: Path) -> None:
    rows = [{"input": f"What is {n}?", "output": "It is a number. " * (1 + n // 10)} for n in range(100)]
    rows[20]["input"] = "What is this? " * 40
    write(file, rows)
    starter = ModelRef(name="modelforge-starter", source="bundled", path=str(bundled_model("modelforge-starter")))
    config = TrainingConfig(task="text-generation", model_name="-", dataset="-", max_seq_length=48)
    inquiry = Inquiry(path=str(file), shape="input_output", scratch=str(file.parent), model=starter, config=config)
    progress: list[tuple[float, str]] = []
    answer = asyncio.run(
        ask("datasets.examine", [inquiry.model_dump_json()], lambda share, message: progress.append((share, message)))
    )
    lengths = Examination(**answer).token_lengths
    assert lengths is not None and lengths.cut is not None and lengths.cut_away is not None
    assert (lengths.rows, lengths.of, lengths.max_seq_length) == (100, 100, 48)
    assert sum(each.rows for each in lengths.histogram) == 100
    assert lengths.shortest <= lengths.median <= lengths.p90 <= lengths.p99 <= lengths.longest
    told = {finding["code"]: finding for finding in answer["findings"]}
    assert told["cut_away"]["rows"] == [21] and lengths.cut_away.found == 1

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bundled_model("modelforge-starter"))
    from modelforge.tasks.rendering import render

    whole = [len(render(tokenizer, row["input"], row["output"])[1]) for row in rows]
    assert lengths.longest == max(whole) and lengths.shortest == min(whole)
    assert lengths.cut.found == sum(length > 48 for length in whole) - 1
    assert progress == sorted(progress) and progress[-1][0] <= 1


def test_a_file_without_usable_rows_is_refused(file: Path) -> None:
    with pytest.raises(InvalidDataset, match="no row that could be learnt from"):
        look(write(file, [{"input": ""}] * 20))


def test_texts_without_letters_are_like_nothing(file: Path) -> None:
    rows = [{"input": "?" * (n + 1), "output": "!"} for n in range(30)]
    assert look(write(file, rows)).near_duplicates.near.found == 0


def test_a_sample_depends_on_the_rows_alone() -> None:
    rows = [Drawn(rank * 7919 % 1000, rank, rank + 1, b"x" * (rank % 50)) for rank in range(1000)]
    one, other = Sample(100, 2000), Sample(100, 2000)
    for row in rows:
        one.add(row)
    later = Sample(100, 2000)
    for row in rows[600:]:
        later.add(row._replace(line=row.line - 600))
    for row in reversed(rows[:600]):
        other.add(row)
    other.merge(later.rows(), 600, later.bound)
    assert one.rows() == other.rows()
    assert 0 < len(one.rows()) <= 100


def test_an_interval_holds_the_truth() -> None:
    assert interval(0, 1000) == pytest.approx((0.0, 0.00383), abs=1e-4)
    assert interval(500, 1000) == pytest.approx((0.469, 0.531), abs=1e-3)
    assert interval(3, 10, 10) == (0.3, 0.3)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep to no such limit")
def test_what_takes_all_memory_is_refused_in_words(file: Path) -> None:
    code = (
        "import sys; from modelforge.datasets import examine; examine.MEMORY_BYTES = 60_000_000; sys.exit("
        "examine.main(sys.argv[1]))"
    )
    # 3 bytes of file, 64 of memory, for each of the lists: far over the ten times its size that a file may take.
    long = '{"input": "x", "output": "y", "more": [' + ",".join(["[]"] * 5_000_000) + "]}\n"
    file.write_text('{"input": "a", "output": "b"}\n' + long)
    inquiry = Inquiry(path=str(file), shape="input_output")
    words = [sys.executable, "-P", "-c", code, inquiry.model_dump_json()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    refused = json.loads(done.stdout.splitlines()[-1])["refused"]
    assert refused["kind"] == "TooLarge" and "more memory" in refused["detail"]
