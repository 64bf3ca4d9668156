"""Prepared datasets that runs share: folders of files under the digest of all that decides what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from modelforge.files import read_json_or_none, sha256
from modelforge.worker.encoding import Encoding

CODE = 2
"""Counts changes of what encoding makes of a row: raised with each of them."""
MANIFEST = "manifest.json"
BUDGET_BYTES = 8_000_000_000
"""What all entries together may take; never more than a tenth of the disk."""
PARTIAL = ".partial"
LEFT_BEHIND_SECONDS = 86400
"""After that time an unfinished entry is one whose writer died."""
_PLACES = frozenset(
    {"name_or_path", "vocab_file", "tokenizer_file", "is_local", "local_files_only", "files_loaded"}
    | {"deprecation_warnings"}
)
"""Attributes of a tokenizer that say where it came from, or what it has complained about."""


def key_of(encoding: Encoding, path: Path) -> str | None:
    """The digest of a dataset's content, and that of all else that decides what it becomes; None for a tokenizer of
    which that cannot be told: one that is no fast one, or runs code that came with its model."""
    tokenizer: Any = encoding.tokenizer
    kind = type(tokenizer)
    if not tokenizer.is_fast or kind.__module__.startswith("transformers_modules"):
        return None
    # What the last call asked for, which each call sets anew.
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    facts = {
        "code": CODE,
        "libraries": [version(name) for name in ("tokenizers", "transformers", "jinja2")],
        "shape": encoding.shape,
        "head": encoding.head,
        "config": {name: getattr(encoding.config, name) for name in sorted(encoding.read)},
        "tokenizer": hashlib.sha256(backend.to_str().encode()).hexdigest(),
        # Its class and its own settings: the template, the end token, languages, the side that is cut.
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "settings": {name: _plain(value) for name, value in vars(tokenizer).items() if name not in _PLACES},
        "sides": [tokenizer.padding_side, tokenizer.truncation_side, tokenizer.model_input_names],
    }
    return f"{sha256(path)}.{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()}"


def _plain(value: Any) -> Any:
    """The value where it is one of JSON's or a token, and of others nothing but their type."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items() if key not in _PLACES}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return repr(value) if type(value).__name__ == "AddedToken" else type(value).__name__


def seal(folder: Path, key: str) -> None:
    """Write down what the folder's files are, so that damage is seen."""
    files = {path.name: [path.stat().st_size, sha256(path)] for path in folder.iterdir()}
    (folder / MANIFEST).write_text(json.dumps({"key": key, "files": files}), encoding="utf-8")


def is_whole(folder: Path, key: str) -> bool:
    """Whether the folder holds what was sealed under this key."""
    manifest = read_json_or_none(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("key") != key:
        return False
    with suppress(OSError):
        files: dict[str, list[Any]] = manifest["files"]
        return {path.name for path in folder.iterdir()} == {*files, MANIFEST} and all(
            (folder / name).stat().st_size == size and sha256(folder / name) == digest
            for name, (size, digest) in files.items()
        )
    return False


class Entries:
    """The entries of one home folder. Runs link their files, so that nothing is taken away from one by a removal."""

    def __init__(self, folder: Path, budget: int = BUDGET_BYTES) -> None:
        """``budget`` in bytes."""
        self._folder = folder
        self._budget = budget

    def take(self, key: str, target: Path) -> bool:
        """Put the files of a whole entry into the empty folder ``target``; whether there is such an entry. A damaged
        one is removed."""
        entry = self._folder / key
        if not entry.is_dir():
            return False
        with suppress(OSError):
            _link(entry, target)
            if is_whole(target, key):
                os.utime(entry)
                return True
        empty(target)
        _remove(entry)
        return False

    def keep(self, key: str, made: Path) -> None:
        """Make an entry of the files in ``made``, if there is none, and remove those that were used the longest ago
        where all take more than the budget. What fails here costs a later run some time, and this one nothing."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Of a name of its own and readable by its owner alone.
            partial = Path(tempfile.mkdtemp(prefix=".", suffix=PARTIAL, dir=self._folder))
            try:
                _link(made, partial)
                partial.rename(self._folder / key)  # which fails where another run was first
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            self._shrink(key)

    def _shrink(self, newest: str) -> None:
        budget = min(self._budget, shutil.disk_usage(self._folder).total // 10)
        entries = []
        for path in self._folder.iterdir():
            used = path.stat().st_mtime
            if not path.name.startswith("."):
                entries.append((path.name == newest, used, path, sum(file.stat().st_size for file in path.iterdir())))
            elif time.time() - used > LEFT_BEHIND_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
        total = sum(size for *_, size in entries)
        for _, _, path, size in sorted(entries):
            if total <= budget:
                break
            _remove(path)
            total -= size


def empty(folder: Path) -> None:
    """Leave the folder there with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give every file of ``source`` a second name in ``target``, or a copy where the file system has no such thing."""
    for path in source.iterdir():
        try:
            os.link(path, target / path.name)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(path, target / path.name)


def _remove(entry: Path) -> None:
    """First out of sight, so that none is seen with half of its files."""
    gone = entry.with_name(f".{entry.name}.{os.getpid()}{PARTIAL}")
    with suppress(OSError):
        entry.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
