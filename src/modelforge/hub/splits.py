"""Which files of a dataset's repository are which split of which configuration.

The hub's own rules (https://huggingface.co/docs/hub/datasets-data-files-configuration): what the card says in
``configs``, else what the files' names and folders say. A test compares them with the ``datasets`` library's.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

from modelforge.errors import InvalidDataset, InvalidRequest, did_you_mean

Splits = dict[str, list[str]]
"""The names of each split's files, in their order."""

DEFAULT = "default"
CONVERTED = "refs/convert/parquet"
"""The revision in which the hub keeps what it made of a repository: a folder a configuration, in it one a split."""

_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_GAP = "[-._ 0-9]"
"""What stands between a keyword and the rest of a name."""
_IN_FOLDERS = ("**/{0}/**", "**/{0}{gap}*/**", "**/*{gap}{0}/**", "**/*{gap}{0}{gap}*/**")
_IN_NAMES = ("**/{0}{gap}*", "**/*{gap}{0}{gap}*")
_SHARD = re.compile(r"data/(?P<split>[^/]*)-[0-9]{5}-of-[0-9]{5}[^/]*\.[^/]*")
_ABOUT = {
    *("README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dummy_data.zip", "dataset_dict.json"),
}
"""Files that tell of the data."""
_FORMATS = {
    ".parquet": "parquet", ".pq": "parquet", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".csv": "csv",
    ".tsv": "csv", ".tab": "csv", ".txt": "text", ".text": "text", ".xlsx": "excel", ".xlsm": "excel", ".xls": "excel",
    ".ods": "opendocument", ".zip": "zip",
}  # fmt: skip
"""By endings, the favourite of two that are as common first."""
_NO_READING = {"config_name", "data_files", "data_dir", "default", "description", "version", "features"}
"""What the card says of a configuration that is not about how its files are read."""
_READING = {"sep": "delimiter", "delimiter": "delimiter", "encoding": "encoding", "field": "field"}
"""What the ``datasets`` library calls it, and what we do."""
_AS_IT_IS = {
    "quotechar": '"', "doublequote": True, "quoting": 0, "skip_blank_lines": True, "keep_default_na": False,
    "na_filter": False,
}  # fmt: skip
"""What is done here, whether the card says so or not."""


def configurations(names: Sequence[str], card: dict[str, Any], revision: str | None = None) -> dict[str, Splits]:
    """Every configuration with its splits. Raises InvalidDataset where there is no data that can be read."""
    names = sorted(names)
    if revision == CONVERTED:
        found = _by_folders(names)
    else:
        told = [each for each in _listed(card.get("configs")) if isinstance(each, dict)]
        found = {str(each.get("config_name", DEFAULT)): _told(each, names) for each in told}
        found = found or {DEFAULT: _guessed(names)}
    read = {config: _of_one_format(splits) for config, splits in found.items()}
    read = {config: splits for config, splits in read.items() if splits}
    if not read:
        raise InvalidDataset(_why_nothing(names))
    return read


def reading(card: dict[str, Any], config: str) -> dict[str, Any]:
    """How the card says that the configuration's files are to be read, as ``ReadOptions``. Raises InvalidRequest that
    names what is not done here."""
    told = [each for each in _listed(card.get("configs")) if isinstance(each, dict)]
    options: dict[str, Any] = {}
    for each in told:
        if str(each.get("config_name", DEFAULT)) == config:
            options.update({str(name): value for name, value in each.items() if name not in _NO_READING})
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name == "header" and (value is None or value in (0, "infer")):
            found["header"] = value is not None
        elif name in _READING and isinstance(value, str) and 0 < len(value) <= 200:
            found[_READING[name]] = value
        elif value is not None and not (name in _AS_IT_IS and _AS_IT_IS[name] == value):
            raise InvalidRequest(
                f"config: the card says that '{config}' is to be read with {name}: {str(value)[:60]}, which is not "
                f"done here. The hub may have made Parquet files of it: try the revision {CONVERTED}"
            )
    return found


def choose(
    found: dict[str, Splits], card: dict[str, Any], config: str | None, split: str | None
) -> tuple[str, str, list[str]]:
    """The configuration, the split, and its files. Raises InvalidRequest that lists those there are."""
    config = config or _default(found, card)
    if config is None:
        raise InvalidRequest(f"config: the dataset has several configurations; name one of {_list(found)}")
    if config not in found:
        raise InvalidRequest(
            f"config: the dataset has no configuration '{config}'.{did_you_mean(config, found)} It has {_list(found)}"
        )
    splits = found[config]
    if split is None:
        split = next(iter(splits)) if len(splits) == 1 else "train" if "train" in splits else None
    if split is None:
        raise InvalidRequest(f"split: the configuration '{config}' has several splits; name one of {_list(splits)}")
    if split not in splits:
        raise InvalidRequest(
            f"split: the configuration '{config}' has no split '{split}'.{did_you_mean(split, splits)} It has "
            f"{_list(splits)}"
        )
    return config, split, splits[split]


def _list(names: Iterable[str]) -> str:
    shown = [f"'{name}'" for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def _default(found: dict[str, Splits], card: dict[str, Any]) -> str | None:
    marked = [
        str(each.get("config_name"))
        for each in _listed(card.get("configs"))
        if isinstance(each, dict) and each.get("default") is True
    ]
    for name in (*marked, DEFAULT):
        if name in found:
            return name
    return next(iter(found)) if len(found) == 1 else None


def _told(config: dict[str, Any], names: Sequence[str]) -> Splits:
    """A configuration of the card."""
    folder = str(config.get("data_dir") or "").strip("/")
    inside = [name for name in names if not folder or name.startswith(f"{folder}/")]
    if "data_files" not in config:
        return _guessed(inside, folder)
    splits: Splits = {}
    for each in _listed(config["data_files"]):
        told = each if isinstance(each, dict) else {"split": "train", "path": each}
        patterns = [f"{folder}/{path}".lstrip("/") for path in _listed(told.get("path")) if isinstance(path, str)]
        # The card may name what is else left out, as a file that tells of the data in other repositories.
        matched = [name for pattern in patterns for name in _matching(pattern, inside)]
        splits.setdefault(str(told.get("split", "train")), []).extend(dict.fromkeys(matched))
    return splits


def _guessed(names: Sequence[str], folder: str = "") -> Splits:
    """The splits that names and folders tell of; all is ``train`` where they tell of none."""
    start = f"{folder}/" if folder else ""
    short = {name.removeprefix(start): name for name in names}
    sharded: Splits = {}
    for name, whole in short.items():
        match = _SHARD.fullmatch(name)
        if match is not None:
            sharded.setdefault(match["split"], []).append(whole)
    if sharded:
        first = [split for split in _KEYWORDS if split in sharded]
        return {split: sharded[split] for split in [*first, *sorted(sharded.keys() - set(first))]}
    for patterns in (_IN_FOLDERS, _IN_NAMES):
        found: Splits = {}
        for split, keywords in _KEYWORDS.items():
            every = [pattern.format(keyword, gap=_GAP) for keyword in keywords for pattern in patterns]
            matched = [name for pattern in every for name in _matching(pattern, list(short))]
            if matched:
                found[split] = [short[name] for name in dict.fromkeys(matched)]
        if found:
            return found
    return {"train": [short[name] for name in _matching("**", list(short))]}


def _by_folders(names: Sequence[str]) -> dict[str, Splits]:
    found: dict[str, Splits] = {}
    for name in names:
        config, _, rest = name.partition("/")
        split, _, file = rest.partition("/")
        if file:
            found.setdefault(config, {}).setdefault(split, []).append(name)
    return found


def _matching(pattern: str, names: Sequence[str]) -> list[str]:
    """The names that a pattern means, without hidden ones and those that tell of the data, unless it names them."""
    parts = pattern.split("/")
    if any("**" in part and part != "**" for part in parts):
        raise InvalidDataset(f"the card's pattern '{pattern[:100]}' for data files cannot be understood")
    wanted = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]
    about = _ABOUT - {parts[-1]}
    return [
        name
        for name in names
        if _fits(wanted, name.split("/"))
        and PurePosixPath(name).name not in about
        and _hidden(name) == _hidden(pattern)
    ]


def _fits(wanted: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> bool:
    """Whether a path matches, None standing for any folders. Step by step: a card may be written to make one regular
    expression for all of it take for ever."""
    at = here = 0
    any_at, any_here = -1, 0
    while here < len(parts):
        part = wanted[at] if at < len(wanted) else None
        if at < len(wanted) and part is None:
            any_at, any_here, at = at, here, at + 1
        elif part is not None and part.match(parts[here]):
            at, here = at + 1, here + 1
        elif any_at >= 0:  # the folders go one further
            any_here += 1
            at, here = any_at + 1, any_here
        else:
            return False
    return at == len(wanted)


def _hidden(path: str) -> tuple[int, int]:
    parts = PurePosixPath(path).parts
    special = [part for part in parts[:-1] if part.startswith("__")]
    return sum(part.startswith(".") and set(part) != {"."} for part in parts), len(special)


def _of_one_format(splits: Splits) -> Splits:
    """The files of the format that most of them have: the same rows may lie there in several, beside pictures."""
    counted = Counter(kind for names in splits.values() for name in names if (kind := _format(name)))
    if not counted:
        return {}
    order = list(dict.fromkeys(_FORMATS.values()))
    format = max(counted, key=lambda kind: (counted[kind], -order.index(kind)))
    read = {split: [name for name in names if _format(name) == format] for split, names in splits.items()}
    return {split: names for split, names in read.items() if names}


def _format(name: str) -> str | None:
    endings = [f".{part.lower()}" for part in PurePosixPath(name).name.split(".")[1:]]
    return next((_FORMATS[ending] for ending in endings if ending in _FORMATS), None)


def _why_nothing(names: Sequence[str]) -> str:
    scripts = [name for name in names if name.endswith(".py") and "/" not in name]
    if scripts:
        return (
            f"the repository holds no data, but a script ({scripts[0]}) that would fetch it, and code of datasets is "
            f"never run here. The hub may have made Parquet files of it: try the revision {CONVERTED}"
        )
    endings = Counter(PurePosixPath(name).suffix or "no ending" for name in names)
    there = ", ".join(f"{count} × {ending}" for ending, count in endings.most_common(5)) or "no files"
    return f"the repository holds no file that can be read as rows ({there})"


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, dict):  # {"train": "train.csv"}
        return [{"split": split, "path": path} for split, path in value.items()]
    return list(value) if isinstance(value, list) else [value]
