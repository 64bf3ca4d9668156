"""Several datasets in one run: how much of each is learnt, what is held out, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, MixRef, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidDataset
from modelforge.tasks.base import Head
from tests.tiny import make_tiny_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def questions(start: int, count: int) -> list[dict[str, Any]]:
    return [{"input": f"question {i}", "output": f"answer {i}"} for i in range(start, start + count)]


def chats(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {"messages": [{"role": "user", "content": f"hello {i}"}, {"role": "assistant", "content": f"hi {i}"}]}
        for i in range(start, start + count)
    ]


class Files:
    """The files of a run, written below a folder."""

    def __init__(self, folder: Path, tokenizer: Any) -> None:
        self._folder = folder
        self._tokenizer = tokenizer

    def ref(self, name: str, rows: list[dict[str, Any]]) -> DatasetRef:
        path = self._folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        shape = "messages" if "messages" in rows[0] else "input_output"
        return DatasetRef(name=name, path=str(path), sha256=name, num_examples=len(rows), shape=shape)

    def gather(
        self,
        rows: list[dict[str, Any]],
        *mix: tuple[list[dict[str, Any]], float],
        measured: list[dict[str, Any]] | None = None,
        **options: Any,
    ) -> Any:
        from modelforge.worker.entries import Entries
        from modelforge.worker.mixture import gather

        chosen = {"max_seq_length": 128, "seed": 1, "max_eval_samples": 10, **options}
        if measured is not None:
            chosen = {"eval_split": 0.0, "eval_dataset": "eval", **chosen}
        parts = [
            MixRef(**self.ref(f"mix{at}", part).model_dump(), weight=weight) for at, (part, weight) in enumerate(mix)
        ]
        spec = RunSpec(
            job_id="j",
            name="n",
            created_at=now(),
            config=TrainingConfig(task="text-generation", model_name="m", dataset="d", **chosen),
            device="cpu",
            dataset=self.ref("own", rows),
            mix=parts,
            eval_dataset=self.ref("eval", measured) if measured is not None else None,
            model=ModelRef(name="m", source="folder", path="m"),
            output_dir="o",
            modelforge_version="0",
        )
        return gather(
            spec,
            self._tokenizer,
            Head.CAUSAL,
            cache=self._folder / "cache",
            shared=Entries(self._folder / "entries"),
            check_stop=lambda: None,
        )


@pytest.fixture
def files(tmp_path: Path, tokenizer: Any) -> Files:
    return Files(tmp_path, tokenizer)


def answers(rows: Any, tokenizer: Any) -> list[str]:
    """What is learnt of each row, without its end token."""
    learnt = [
        [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100][:-1]
        for row in rows
    ]
    return [tokenizer.decode(ids) for ids in learnt]


def drawn(mixture: Any, tokenizer: Any, epoch: int) -> list[str]:
    told = answers(mixture.train, tokenizer)
    return [told[row] for row in mixture.draw.rows(epoch)]


def test_each_epoch_has_all_of_the_first_and_the_next_of_the_others(files: Files, tokenizer: Any) -> None:
    mixture = files.gather(questions(0, 40), (questions(100, 30), 0.25), (chats(0, 5), 0.5), eval_split=0.0)
    assert mixture.held_out is None and mixture.rows_an_epoch == 40 + 10 + 20
    epochs = [drawn(mixture, tokenizer, epoch) for epoch in range(3)]
    own, more = {f"answer {i}" for i in range(40)}, {f"answer {i}" for i in range(100, 130)}
    for told in epochs:
        assert own <= set(told) and len(told) == 70
        # Of a dataset that is shorter than its share, each row as often as any other.
        assert {told.count(f"hi {i}") for i in range(5)} == {4}
    some = [[text for text in told if text in more] for told in epochs]
    assert [len(each) for each in some] == [10, 10, 10]
    assert {text for each in some for text in each} == more
    assert (
        mixture.said[0] == "70 rows to learn from in an epoch: 40 of 'own', 10 of 'mix0' (it has 30), "
        "20 of 'mix1' (it has 5), 0 held out"
    )


def test_a_run_that_is_resumed_draws_the_same(files: Files, tokenizer: Any) -> None:
    one, other = (files.gather(questions(0, 40), (questions(100, 30), 0.25)) for _ in range(2))
    assert [list(one.draw.rows(n)) for n in (0, 5)] == [list(other.draw.rows(n)) for n in (0, 5)]
    assert one.train.to_list() == other.train.to_list() and one.held_out.to_list() == other.held_out.to_list()


def test_rows_are_held_out_of_each_as_much_as_is_learnt(files: Files, tokenizer: Any) -> None:
    mixture = files.gather(questions(0, 200), (questions(1000, 400), 0.5), eval_split=0.3)
    held_out = answers(mixture.held_out, tokenizer)
    own = [text for text in held_out if int(text[7:]) < 1000]
    assert 40 <= len(own) <= 80 and len(held_out) - len(own) == round(len(own) / 2)
    assert not set(held_out) & set(answers(mixture.train, tokenizer))
    samples = [int(row["input"][9:]) for row in mixture.held_out_rows]
    assert len(samples) == 10 and sum(number >= 1000 for number in samples) in (3, 4)


def test_a_row_of_both_is_measured_or_learnt_in_both(files: Files, tokenizer: Any) -> None:
    mixture = files.gather(questions(0, 100), (questions(50, 100), 1.0), eval_split=0.3)
    assert not set(answers(mixture.held_out, tokenizer)) & set(answers(mixture.train, tokenizer))


def test_rows_that_are_added_to_a_mixture_move_none(files: Files, tokenizer: Any) -> None:
    before = files.gather(questions(0, 60), (questions(100, 60), 2.0))
    after = files.gather(questions(0, 80), (questions(90, 90), 2.0))
    assert set(answers(before.train, tokenizer)) <= set(answers(after.train, tokenizer))
    assert not set(answers(before.held_out, tokenizer)) & set(answers(after.train, tokenizer))


def test_an_evaluation_dataset_is_measured_as_a_whole_and_all_of_the_other_is_learnt(
    files: Files, tokenizer: Any
) -> None:
    mixture = files.gather(questions(0, 30), measured=chats(0, 7))
    assert len(mixture.train) == 30 and mixture.draw is None
    assert sorted(answers(mixture.held_out, tokenizer)) == [f"hi {i}" for i in range(7)]
    assert len(mixture.held_out_rows) == 7 and list(mixture.said) == ["30 rows to learn from, 7 held out"]


def test_rows_of_it_that_are_learnt_too_are_counted(files: Files, tokenizer: Any) -> None:
    mixture = files.gather(
        questions(0, 30), (questions(100, 30), 1.0), measured=[*questions(28, 4), *questions(28, 1), *questions(129, 3)]
    )
    said = "4 of 8 rows stand word for word in 'eval' and in what is learnt from"
    assert any(text.startswith(said) for text in mixture.said)


def test_what_leaves_nothing_is_named(files: Files) -> None:
    long = [{"input": "word " * 200, "output": "x"}] * 3
    with pytest.raises(InvalidDataset, match="dataset 'mix0': no row is left to learn from"):
        files.gather(questions(0, 12), (long, 1.0))
    mixture = files.gather(questions(0, 12), ([*long, *questions(90, 9)], 1.0), eval_split=0.0)
    assert any("3 rows of 'mix0' are left out" in text and "lines 1, 2, 3" in text for text in mixture.said)
