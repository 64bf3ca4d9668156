"""Prepared datasets that runs share: found again by what decides over them, whole or made anew, bounded."""

from __future__ import annotations

import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import Head
from modelforge.worker import data, encoding
from modelforge.worker.entries import Entries, key_of, seal
from tests.tiny import CHATML, make_tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"input": f"question {i}", "output": f"answer {i}"}) + "\n" for i in range(60)))
    return path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first lines of all blocks that were encoded."""
    blocks: list[int] = []
    real = encoding.Encoding.block

    def block(self: Any, line: int, *rest: Any) -> Any:
        blocks.append(line)
        return real(self, line, *rest)

    monkeypatch.setattr(encoding.Encoding, "block", block)
    return blocks


def encoding_of(tokenizer: Any, **options: Any) -> data.Encoding:
    chosen = {"task": "text-generation", "max_seq_length": 100, **options}
    config = TrainingConfig(**chosen, model_name="m", dataset="d")
    return data.Encoding.of(config, "input_output", tokenizer, Head.CAUSAL)


def prepare(rows: Path, tokenizer: Any, run: Path, entries: Path | None, **options: Any) -> data.Prepared:
    shared = None if entries is None else Entries(entries)
    return data.prepare(
        rows, encoding_of(tokenizer, **options), cache=run, shared=shared, check_stop=lambda: None, processes=1
    )


def same(one: data.Prepared, other: data.Prepared) -> bool:
    assert one.held_out is not None and other.held_out is not None
    return (one.train.to_list(), one.held_out.to_list(), one.held_out_rows, one.cut, list(one.dropped)) == (
        other.train.to_list(),
        other.held_out.to_list(),
        other.held_out_rows,
        other.cut,
        list(other.dropped),
    )


def entry_of(entries: Path) -> Path:
    (entry,) = entries.iterdir()
    return entry


def test_a_second_run_finds_the_rows_of_the_first(
    tmp_path: Path, rows: Path, tokenizer: Any, counted: list[int]
) -> None:
    first = prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries")
    assert counted
    counted.clear()
    assert same(first, prepare(rows, make_tiny_tokenizer(), tmp_path / "b", tmp_path / "entries"))
    # What does not decide over rows is no reason to encode them anew.
    prepare(rows, tokenizer, tmp_path / "c", tmp_path / "entries", learning_rate=1e-5, num_train_epochs=3)
    assert not counted


def test_it_is_for_its_owner_alone(tmp_path: Path, rows: Path, tokenizer: Any) -> None:
    before = os.umask(0o077)
    try:
        prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries")
    finally:
        os.umask(before)
    for path in (tmp_path / "entries", *(tmp_path / "entries").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize(
    "change",
    [
        {"max_seq_length": 101},
        {"eval_split": 0.3},
        {"seed": 1},
        {"max_eval_samples": 3},
        {"strategy": "qlora"},
        {"task": "summarization"},
        {"task": "summarization", "source_prefix": "sum up: "},
        {"task": "summarization", "max_target_length": 9},
    ],
    ids=str,
)
def test_what_decides_over_rows_changes_the_key(rows: Path, tokenizer: Any, change: dict[str, Any]) -> None:
    base = {name: value for name, value in change.items() if name == "task"} if len(change) > 1 else {}
    assert key_of(encoding_of(tokenizer, **base), rows) != key_of(encoding_of(tokenizer, **change), rows)


def test_tokenizer_and_data_change_the_key(rows: Path, tokenizer: Any) -> None:
    key = key_of(encoding_of(tokenizer), rows)
    assert key is not None and key == key_of(encoding_of(make_tiny_tokenizer()), rows)
    # What an earlier call asked of the tokenizer is not its own.
    asked = make_tiny_tokenizer()
    asked(["a", "b c d"], padding=True, truncation=True, max_length=3)
    assert key_of(encoding_of(asked), rows) == key
    others = [
        make_tiny_tokenizer(chat_template=CHATML.replace("user", "human") + " "),
        make_tiny_tokenizer(chat_template=None),
        make_tiny_tokenizer(["entirely other words"], vocab_size=420),
        make_tiny_tokenizer(add_bos=True),
    ]
    cut_left, other_end = make_tiny_tokenizer(), make_tiny_tokenizer()
    cut_left.truncation_side, other_end.eos_token = "left", "<s>"
    keys = {key_of(encoding_of(each), rows) for each in (*others, cut_left, other_end)}
    assert len(keys) == 6 and key not in keys and None not in keys
    rows.write_text(rows.read_text().replace("answer 7", "answer seven"))
    assert key_of(encoding_of(tokenizer), rows) not in {key, *keys}


def test_a_tokenizer_with_code_of_its_own_shares_nothing(tmp_path: Path, rows: Path) -> None:
    own = make_tiny_tokenizer()
    own.__class__ = type("Own", (type(own),), {"__module__": "transformers_modules.model"})
    assert key_of(encoding_of(own), rows) is None
    prepare(rows, own, tmp_path / "a", tmp_path / "entries")
    assert not (tmp_path / "entries").exists()


@pytest.mark.parametrize("name", ["train.arrow", "eval.arrow", "about.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_entry_is_made_anew(
    tmp_path: Path, rows: Path, tokenizer: Any, counted: list[int], name: str, damage: str
) -> None:
    first = prepare(rows, tokenizer, tmp_path / "a", None)
    prepare(rows, tokenizer, tmp_path / "b", tmp_path / "entries")
    path = entry_of(tmp_path / "entries") / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if damage == "changed":
        content[len(content) // 2] ^= 1
    if damage != "gone":
        path.write_bytes(content if damage == "changed" else content[:-9])
    for run, encodes in (("c", True), ("d", False)):
        counted.clear()
        assert same(first, prepare(rows, tokenizer, tmp_path / run, tmp_path / "entries"))
        assert bool(counted) == encodes


def test_two_runs_at_once_both_get_their_rows(tmp_path: Path, rows: Path, tokenizer: Any) -> None:
    with ThreadPoolExecutor(4) as threads:
        runs = [
            threads.submit(prepare, rows, make_tiny_tokenizer(), tmp_path / str(n), tmp_path / "entries")
            for n in range(4)
        ]
        made = [run.result() for run in runs]
    assert all(same(made[0], other) for other in made)
    assert entry_of(tmp_path / "entries").name == key_of(encoding_of(tokenizer), rows)


def test_a_resumed_run_has_its_rows_whatever_became_of_the_entry(
    tmp_path: Path, rows: Path, tokenizer: Any, counted: list[int]
) -> None:
    first = prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries")
    expected = (first.train.to_list(), first.held_out_rows)
    shutil.rmtree(tmp_path / "entries")
    counted.clear()
    again = prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries")
    assert (again.train.to_list(), again.held_out_rows) == expected and not counted
    # Its own files lost as well.
    shutil.rmtree(tmp_path / "a")
    anew = prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries")
    assert (anew.train.to_list(), anew.held_out_rows) == expected and counted


def test_those_used_longest_ago_are_removed_and_no_run_loses_its_rows(tmp_path: Path) -> None:
    entries = Entries(tmp_path / "entries", budget=2500)
    for number in range(4):
        made = tmp_path / f"run {number}"
        made.mkdir()
        (made / "train.arrow").write_bytes(bytes([number]) * 1000)
        seal(made, f"key{number}")
        if number == 2:  # the first is used again, after the second
            os.utime(tmp_path / "entries" / "key0", (5, 5))
            os.utime(tmp_path / "entries" / "key1", (6, 6))
            (tmp_path / "other").mkdir()
            assert entries.take("key0", tmp_path / "other")
        entries.keep(f"key{number}", made)
        if number == 2:
            assert sorted(path.name for path in (tmp_path / "entries").iterdir()) == ["key0", "key2"]
    assert sorted(path.name for path in (tmp_path / "entries").iterdir())[-1] == "key3"
    assert len(list((tmp_path / "entries").iterdir())) == 2
    assert (tmp_path / "run 1" / "train.arrow").read_bytes() == b"\1" * 1000


def test_what_a_dead_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / "entries" / ".old.partial", tmp_path / "entries" / ".new.partial"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "train.arrow").write_bytes(b"x")
    os.utime(old, (1, 1))
    made = tmp_path / "run"
    made.mkdir()
    seal(made, "key")
    Entries(tmp_path / "entries").keep("key", made)
    assert sorted(path.name for path in (tmp_path / "entries").iterdir()) == [".new.partial", "key"]


def test_without_links_files_are_copied(
    tmp_path: Path, rows: Path, tokenizer: Any, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    first = prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries")
    counted.clear()
    assert same(first, prepare(rows, tokenizer, tmp_path / "b", tmp_path / "entries")) and not counted


def test_where_nothing_can_be_kept_a_run_goes_on(tmp_path: Path, rows: Path, tokenizer: Any) -> None:
    (tmp_path / "entries").write_text("a file stands where the folder should")
    assert len(prepare(rows, tokenizer, tmp_path / "a", tmp_path / "entries").train) > 30
