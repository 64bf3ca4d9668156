"""Data that lies elsewhere, brought here: from the hub, from files of the server's machine, from the package."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, Protocol

from modelforge.api.arrival import File, arrive
from modelforge.api.deps import State
from modelforge.catalogue import ASSETS
from modelforge.contracts.dataset import Change, DatasetUploaded, ReadOptions
from modelforge.contracts.imports import ImportRequest
from modelforge.datasets.child import ask
from modelforge.datasets.ingest import check_ending, dataset_name, open_regular
from modelforge.datasets.stages import Progress
from modelforge.errors import DiskFull, InvalidDataset, InvalidRequest, NotFound, TooLarge, UnsupportedMedia
from modelforge.files import local_path
from modelforge.hub.lookup import HUB_ID
from modelforge.jobs.origin import check_root
from modelforge.samples import file_of, sample_named

MAX_FILES = 1000
"""Of one folder."""
FETCHING = 0.6
"""The share of the work that bringing the files is, roughly; the rest is reading them."""
_BLOCK = 1 << 24
"""Bytes that are copied at once."""


class Brought(NamedTuple):
    """What came."""

    files: list[File]
    filename: str
    """What the dataset is called."""
    change: Change
    """What is noted of where it came from."""
    reading: Mapping[str, Any] = MappingProxyType({})
    """How the files say that they are to be read, as ``ReadOptions``; what the request says goes first."""


class Source(Protocol):
    """Where files come from."""

    @property
    def filename(self) -> str:
        """What the dataset will be called, as far as that is known before it is here."""

    async def bring(self, folder: Path, progress: Progress) -> Brought:
        """Put the files into ``folder``."""


def source_of(request: ImportRequest, roots: Sequence[Path], max_bytes: int) -> Source:
    """The source that a request names, looked at as far as that goes at once.

    Raises NotFound, InvalidRequest (outside of the roots), InvalidDataset, UnsupportedMedia and TooLarge.
    """
    name = dataset_name(request.name) if request.name is not None else None
    if request.sample is not None:
        sample = sample_named(request.sample)
        change = Change(how="sample", summary=f"the sample '{sample.name}'", details={"sample": sample.name})
        return LocalFiles([File(file_of(sample), sample.filename)], name or sample.filename, change, [ASSETS])
    if request.path is not None:
        return _local(request.path, name, roots, max_bytes)
    assert request.hub is not None
    if not HUB_ID.fullmatch(request.hub):
        raise InvalidRequest(f"hub: {request.hub!r} cannot be a name on the hub; it is owner/name")
    return HubSplit(request.hub, request.config, request.split, request.revision, name, max_bytes)


async def bring(here: State, source: Source, options: ReadOptions, progress: Progress) -> DatasetUploaded:
    """The whole way from the source to a dataset; what fails leaves nothing."""
    folder = here.settings.scratch / f"import-{secrets.token_hex(8)}"

    def fetching(share: float, message: str) -> None:
        progress(share * FETCHING, message)

    def reading(share: float, message: str) -> None:
        progress(FETCHING + share * (1 - FETCHING), message)

    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        came = await source.bring(folder, fetching)
        asked = options.model_dump(exclude_none=True)
        how = ReadOptions(**{**came.reading, **asked})
        return await arrive(here, came.files, came.filename, came.change, how, reading)
    finally:
        # In a thread of its own, which goes on where this task is cancelled.
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Files of this machine. They are copied: what is theirs stays as it is, and what was checked is what is kept."""

    files: list[File]
    filename: str
    change: Change
    roots: Sequence[Path]
    """Where they must still lie when they are opened: they may have become links meanwhile."""

    async def bring(self, folder: Path, progress: Progress) -> Brought:
        total = await asyncio.to_thread(_size_of, self.files)
        if shutil.disk_usage(folder).free < 2 * total:
            raise DiskFull(f"the files have {total / 1e6:,.0f} MB and take twice that while they are read; make room")
        done = 0
        brought = []
        for number, file in enumerate(self.files):
            target = folder / f"{number}{Path(file.name).suffix}"
            with await asyncio.to_thread(self._open, file.path) as source, target.open("xb") as out:
                while block := await asyncio.to_thread(source.read, _BLOCK):
                    await asyncio.to_thread(out.write, block)
                    done += len(block)
                    progress(min(1.0, done / (total or 1)), f"copying {file.name[:60]}")
            brought.append(File(target, file.name))
        return Brought(brought, self.filename, self.change)

    def _open(self, path: Path) -> BinaryIO:
        return open_regular(check_root(path, self.roots, "path"))


@dataclass(frozen=True, slots=True)
class HubSplit:
    """A split of a dataset on the hub."""

    id: str
    config: str | None
    split: str | None
    revision: str | None
    name: str | None
    max_bytes: int

    @property
    def filename(self) -> str:
        return self.name or self.id

    async def bring(self, folder: Path, progress: Progress) -> Brought:
        wanted: dict[str, Any] = {
            "id": self.id,
            "config": self.config,
            "split": self.split,
            "revision": self.revision,
            "folder": str(folder),
            "max_bytes": self.max_bytes,
        }
        came = await ask("hub.datasets", [json.dumps(wanted)], progress)
        files = [File(Path(path), name) for path, name in zip(came["paths"], came["files"], strict=True)]
        whole = "" if came["config"] == "default" else f" {came['config']}"
        change = Change(
            how="import",
            summary=f"{self.id}{whole}, split {came['split']}, at {came['commit'][:12]}",
            details={
                "hub": self.id,
                "config": came["config"],
                "split": came["split"],
                "revision": came["commit"],
                "files": came["files"],
            },
        )
        parts = [self.id.rpartition("/")[2], *whole.split(), came["split"]]
        filename = self.name or dataset_name(f"{'-'.join(parts)}.jsonl")
        return Brought(files, filename, change, came["reading"])


def _local(text: str, name: str | None, roots: Sequence[Path], max_bytes: int) -> LocalFiles:
    path = local_path(text, "path")
    real = check_root(path, roots, "path")
    if not real.exists():
        raise NotFound(f"path: there is no file or folder {text[:200]} on the server's machine")
    left_out: list[str] = []
    if real.is_dir():
        files, left_out = _inside(real, roots)
        filename = name or dataset_name(f"{real.name or 'folder'}.jsonl")
        summary = f"{len(files)} file{'s' if len(files) > 1 else ''} of the folder {real}"
        if left_out:
            summary += f", without {len(left_out)} other thing{'s' if len(left_out) > 1 else ''} in it"
    else:
        # By its own name: what it links to may be called anything, as in the hub's cache.
        files = [File(real, path.name)]
        open_regular(real).close()
        check_ending(path.name)
        filename = name or dataset_name(path.name)
        summary = f"the file {real}"
    size = _size_of(files)
    if size > max_bytes:
        raise TooLarge(
            f"path: the files have {size / 1e6:,.0f} MB, and at most {max_bytes / 1e6:g} may come. Raise "
            "MODELFORGE_MAX_UPLOAD_MB, or name the file's path in the training request"
        )
    details = {"path": str(real), "files": [file.name for file in files], "left_out": left_out[:MAX_FILES]}
    return LocalFiles(files, filename, Change(how="import", summary=summary, details=details), roots)


def _inside(folder: Path, roots: Sequence[Path]) -> tuple[list[File], list[str]]:
    """The files of a folder that can be read, in the order of their names, and the names of what else is in it."""
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidRequest(f"path: {folder} cannot be read: {error.strerror}") from error
    files, left_out = [], []
    for entry in entries:
        real = check_root(entry, roots, "path")
        try:
            check_ending(entry.name)
            readable = real.is_file() and not entry.name.startswith(".")
        except UnsupportedMedia:
            readable = False
        if readable:
            open_regular(real).close()
            files.append(File(real, entry.name))
        else:
            left_out.append(entry.name)
    if not files:
        raise InvalidDataset(f"path: the folder {folder} holds no file that can be read as rows")
    if len(files) > MAX_FILES:
        raise InvalidRequest(f"path: the folder {folder} holds {len(files)} files, and at most {MAX_FILES} are taken")
    return files, left_out


def _size_of(files: Sequence[File]) -> int:
    try:
        return sum(file.path.stat().st_size for file in files)
    except OSError as error:
        raise NotFound(f"path: {error.filename} is gone: {error.strerror}") from error
