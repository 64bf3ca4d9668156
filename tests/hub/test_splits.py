"""Which files are which split: as the ``datasets`` library has it, and in words where there is nothing."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelforge.datasets.sources.kinds import ENDINGS
from modelforge.errors import InvalidDataset, InvalidRequest
from modelforge.hub.splits import CONVERTED, choose, configurations, reading

TWO = [
    {"config_name": "small", "data_files": [{"split": "train", "path": "small/*.jsonl"}]},
    {
        "config_name": "large",
        "default": True,
        "data_files": [
            {"split": "train", "path": ["large/a-*.jsonl", "large/b.jsonl"]},
            {"split": "dev", "path": "large/dev.jsonl"},
        ],
    },
]
LAYOUTS: list[tuple[list[str], Any]] = [
    (["rows.jsonl"], None),
    (["a.jsonl", "b.jsonl", "sub/c.jsonl"], None),
    (["train.jsonl", "test.jsonl"], None),
    (["train-1.jsonl", "train-2.jsonl", "my_validation.jsonl", "README.md"], None),
    (["data/train.jsonl", "data/dev.jsonl", "data/eval.jsonl"], None),
    (["train/x.jsonl", "train/y.jsonl", "validation/x.jsonl"], None),
    (["my-train/x.jsonl", "test-set/y.jsonl"], None),
    (["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/odd-00000-of-00001.jsonl"], None),
    (["train.jsonl", ".hidden/train.jsonl", "__pycache__/train.jsonl", "config.json"], None),
    (["training.jsonl", "constraint.jsonl"], None),
    (["small/1.jsonl", "large/a-1.jsonl", "large/a-2.jsonl", "large/b.jsonl", "large/dev.jsonl"], TWO),
    (["x/1.jsonl", "y/2.jsonl"], [{"config_name": "x", "data_dir": "x"}, {"config_name": "y", "data_dir": "y"}]),
    (["d/train.jsonl", "d/test.jsonl", "other.jsonl"], [{"config_name": "default", "data_dir": "d"}]),
    (["a.jsonl", "b.jsonl"], [{"config_name": "default", "data_files": "a.jsonl"}]),
    (
        ["d/x/1.jsonl", "d/2.jsonl", "d/x/y/z/3.jsonl", "3.jsonl"],
        [{"config_name": "default", "data_files": "d/**/[!2].*"}],
    ),
    (["d/x/1.jsonl", "d/2.jsonl", "d/x/y/3.jsonl"], [{"config_name": "default", "data_files": "*/*/*"}]),
    (["a.jsonl", "b.jsonl", "c/d.jsonl"], [{"config_name": "default", "data_files": ["a.jsonl", "c/**"]}]),
]


def by_the_library(folder: Path, config: str | None) -> dict[str, list[str]]:
    import datasets

    builder = datasets.load_dataset_builder(str(folder), name=config)
    assert builder.config.data_files is not None
    return {
        str(split): sorted(str(Path(name).relative_to(folder)) for name in names)
        for split, names in builder.config.data_files.items()
    }


@pytest.mark.parametrize(("names", "configs"), LAYOUTS)
def test_splits_are_those_of_the_datasets_library(
    names: list[str], configs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"input": "a", "output": "b"}) + "\n")
    card = {"configs": configs} if configs else {}
    if configs:
        (tmp_path / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n# A card\n")
    found = configurations(names, card)
    for config, splits in found.items():
        expected = by_the_library(tmp_path, config if configs else None)
        assert {split: sorted(files) for split, files in splits.items()} == expected


def test_every_kind_of_file_that_is_read_counts() -> None:
    for ending in ENDINGS:
        assert configurations([f"rows{ending}", "picture.png"], {}) == {"default": {"train": [f"rows{ending}"]}}


def test_the_hubs_own_parquet_has_a_folder_for_each() -> None:
    names = ["default/train/0000.parquet", "default/train/0001.parquet", "other/test/0000.parquet"]
    assert configurations(names, {}, CONVERTED) == {
        "default": {"train": names[:2]},
        "other": {"test": names[2:]},
    }


def test_the_format_that_most_files_have_is_taken() -> None:
    names = ["train.parquet", "train.jsonl", "train.csv", "picture.png"]
    assert configurations(names, {}) == {"default": {"train": ["train.parquet"]}}
    assert configurations([*names, "train-2.csv"], {}) == {"default": {"train": ["train-2.csv", "train.csv"]}}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["README.md", "squad.py"], "code of datasets is never run here.*refs/convert/parquet"),
        (["a.png", "b.png", "c.wav"], "2 × .png, 1 × .wav"),
        ([], "no files"),
    ],
)
def test_where_there_is_nothing_it_is_said_what_there_is(names: list[str], said: str) -> None:
    with pytest.raises(InvalidDataset, match=said):
        configurations(names, {})


@pytest.mark.parametrize("configs", ["x", 7, [None], [{"config_name": 3}], [{"data_files": [{"split": 1, "path": 2}]}]])
def test_a_malformed_card_breaks_nothing(configs: Any) -> None:
    with contextlib.suppress(InvalidDataset):
        configurations(["train.jsonl"], {"configs": configs})


def test_a_card_that_is_made_to_be_slow_is_not() -> None:
    name = f"{'a' * 200}.jsonl"
    began = time.monotonic()
    for pattern in ("*a" * 60 + "*b", "/".join(["**", "*a*"] * 40) + "/b"):
        card = {"configs": [{"config_name": "default", "data_files": pattern}]}
        with pytest.raises(InvalidDataset):
            configurations([name, "/".join(["a"] * 100)], card)
    assert time.monotonic() - began < 5


def test_how_files_are_read_is_what_the_card_says() -> None:
    def told(**options: Any) -> dict[str, Any]:
        configs = [{"config_name": "a", "data_files": "a.csv", **options}, {"config_name": "b", "sep": "|"}]
        return reading({"configs": configs}, "a")

    assert told() == told(default=True, description="x", quotechar='"', skiprows=None) == {}
    assert told(sep="\t", encoding="latin-1", header=None) == {
        "delimiter": "\t", "encoding": "latin-1", "header": False,
    }  # fmt: skip
    assert told(delimiter=";", header=0) == {"delimiter": ";", "header": True}
    assert told(field="data") == {"field": "data"}
    assert reading({"configs": [{"data_files": "a.json", "field": "x"}]}, "default") == {"field": "x"}
    assert reading({}, "default") == reading({"configs": "x"}, "default") == {}
    for name, value in (
        ("skiprows", 1),
        ("names", ["a"]),
        ("quotechar", "'"),
        ("header", 2),
        ("sep", 1),
        ("field", {}),
    ):
        with pytest.raises(InvalidRequest, match=f"'a' is to be read with {name}: .*refs/convert/parquet"):
            told(**{name: value})


def test_what_is_chosen() -> None:
    card = {"configs": TWO}
    found = configurations(LAYOUTS[10][0], card)
    assert choose(found, card, None, None)[:2] == ("large", "train")
    assert choose(found, card, "large", "dev") == ("large", "dev", ["large/dev.jsonl"])
    assert choose(found, card, "small", None) == ("small", "train", ["small/1.jsonl"])
    for config, split, said in (
        ("smal", None, "Did you mean 'small'.*'small', 'large'"),
        ("large", "test", "no split 'test'.*'train', 'dev'"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            choose(found, card, config, split)
    with pytest.raises(InvalidRequest, match=r"several configurations.*'a', 'b'"):
        choose({"a": {"train": ["x"]}, "b": {"train": ["y"]}}, {}, None, None)
    with pytest.raises(InvalidRequest, match=r"several splits.*'one', 'two'"):
        choose({"default": {"one": ["x"], "two": ["y"]}}, {}, None, None)
