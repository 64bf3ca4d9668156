"""The files that a run reads: found, checked for its task, and made its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from anyio import to_thread

from modelforge.contracts.job import DatasetRef, MixRef, ModelRef
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets import ingest
from modelforge.datasets.formats import MIN_EXAMPLES, misfit
from modelforge.datasets.rows import read_blocks
from modelforge.errors import InvalidDataset, InvalidRequest, NotFound
from modelforge.files import local_path, sha256
from modelforge.jobs.origin import check_root
from modelforge.jobs.probing import SECONDS, Probe
from modelforge.probe.order import Order
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.datasets import dataset_named, get_dataset
from modelforge.strategies.base import Strategy
from modelforge.tasks.base import Task

Ref = TypeVar("Ref", bound=DatasetRef)

_CONVERTED = ".dataset-"
"""How folders in the scratch folder begin that hold the rows of a CSV file, a workbook and the like."""


@dataclass(frozen=True)
class Data:
    """The files that a run reads."""

    dataset: DatasetRef
    mix: list[MixRef]
    eval_dataset: DatasetRef | None

    @property
    def files(self) -> list[DatasetRef]:
        """All of them."""
        return [self.dataset, *self.mix, *([self.eval_dataset] if self.eval_dataset is not None else [])]


async def find_data(
    config: TrainingConfig,
    task: Task,
    strategy: Strategy,
    roots: Sequence[Path],
    database: Database,
    settings: Settings,
    scratch: Path,
) -> tuple[Data, list[str]]:
    """The files that the request means, checked for the task; and what is worth knowing of them. ``scratch`` is of
    ``conversions``."""
    warnings: list[str] = []

    async def find(field: str, name: str, version: int | None, least: int = 1) -> DatasetRef:
        found, noted = await _find_dataset(
            field, name, version, task, strategy, roots, database, least, settings, scratch
        )
        warnings.extend(noted)
        return found

    dataset = await find("dataset", config.dataset, config.dataset_version, MIN_EXAMPLES)
    mix: list[MixRef] = []
    for part in config.mix or []:
        found = await find("mix", part.dataset, part.version)
        if found.sha256 in {other.sha256 for other in (dataset, *mix)}:
            raise InvalidRequest(f"mix: the rows of '{part.dataset}' are there already; give them one weight")
        mix.append(MixRef(**found.model_dump(), weight=part.weight))
    measured = None
    if config.eval_dataset is not None:
        measured = await find("eval_dataset", config.eval_dataset, config.eval_dataset_version)
        if measured.sha256 in {other.sha256 for other in (dataset, *mix)}:
            raise InvalidRequest(
                f"eval_dataset: '{config.eval_dataset}' is learnt from, too, and would measure what is remembered; "
                "leave it out to hold a part of the rows out (eval_split)"
            )
    return Data(dataset, mix, measured), warnings


SCANNED = 50_000_000
"""Bytes a second that rows are looked through for tools at the least: a tenth of what a good disk gives."""


async def check_tools(config: TrainingConfig, model: ModelRef, data: Data, probe: Probe) -> None:
    """Raises InvalidRequest for conversations with tools that the model's chat template cannot write."""
    for file in data.files:
        if file.shape == "messages":
            order = Order(path=file.path, shape=file.shape, config=config, model=model)
            try:
                await probe.ask("tools", order, SECONDS + Path(file.path).stat().st_size / SCANNED)
            except InvalidRequest as refusal:
                raise InvalidRequest(f"dataset '{file.name}': {refusal.detail}") from refusal


def with_versions(config: TrainingConfig, data: Data) -> TrainingConfig:
    """The configuration that names the versions of what was found, so that it means the same later."""
    mix = [
        part.model_copy(update={"version": file.version}) for part, file in zip(config.mix or [], data.mix, strict=True)
    ]
    measured = data.eval_dataset
    return config.model_copy(
        update={
            "dataset_version": data.dataset.version,
            "mix": mix or None,
            "eval_dataset_version": measured.version if measured is not None else None,
        }
    )


async def _find_dataset(
    field: str,
    name: str,
    version: int | None,
    task: Task,
    strategy: Strategy,
    roots: Sequence[Path],
    database: Database,
    least: int,
    settings: Settings,
    scratch: Path,
) -> tuple[DatasetRef, list[str]]:
    """The file that ``field`` of the request means, checked for the task, with at least so many usable examples; and
    what is worth knowing of it."""
    with database.session() as session:
        row = dataset_named(session, name, version)
        if row is None and (version is not None or not _looks_like_path(name, field)):
            get_dataset(session, name, version)  # raises with the nearest name
    if row is not None:
        path, digest, shape, report = Path(row.path), row.sha256, row.shape, row.report
        count, bad, errors = row.num_examples, int(report["num_bad"]), list(report["errors"])
        if not path.is_file():
            raise NotFound(f"dataset '{name}' is listed, but its file {path} is gone: upload it again")
    else:
        path = await to_thread.run_sync(_dataset_path, name, roots, field)
        scratch.mkdir(mode=0o700, exist_ok=True)
        rows = scratch / secrets.token_hex(8)
        # By its own name: what it links to may be called anything.
        checked = await ingest.check_file(path, Path(name).name, rows=rows, limit=settings.max_upload_mb * 1_000_000)
        if checked.converted:
            path = rows
        digest, shape, count, bad, errors = (
            checked.sha256,
            checked.shape,
            checked.num_examples,
            checked.num_bad,
            checked.errors,
        )
    check_shape(name, task, strategy, shape, count, errors, least)
    warnings = [f"{bad} of {count + bad} rows of '{name}' are left out: {'; '.join(errors)}"] if bad else []
    assert shape is not None
    found = DatasetRef(
        name=name,
        version=row.version if row is not None else None,
        path=str(path),
        sha256=digest,
        num_examples=count,
        shape=shape,
    )
    return found, warnings


def _looks_like_path(name: str, field: str) -> bool:
    return "/" in name or "\\" in name or name.startswith("~") or local_path(name, field).exists()


def _dataset_path(name: str, roots: Sequence[Path], field: str) -> Path:
    path = check_root(local_path(name, field).absolute(), roots, field)
    ingest.open_regular(path).close()
    return path


def check_shape(
    name: str, task: Task, strategy: Strategy, shape: str | None, count: int, errors: list[str], least: int = 1
) -> None:
    """Raises InvalidDataset for rows that the task and the strategy cannot learn from, and for fewer than ``least``."""
    wanted = strategy.shapes(task)
    fault = misfit(shape, wanted)
    if fault is not None:
        what = f"the task {task.name}" if wanted == task.shapes else f"the strategy {strategy.name}"
        why = f" ({'; '.join(errors)})" if shape is None else ""
        raise InvalidDataset(f"dataset '{name}' {fault} for {what}{why}")
    if count < least:
        raise InvalidDataset(
            f"dataset '{name}' has {count} usable examples, at least {least} {'is' if least == 1 else 'are'} needed. "
            f"{'; '.join(errors)}"
        )


def longest_line(path: Path) -> int:
    """In bytes, of those that are read at all: another may be as long as the file."""
    with ingest.open_regular(path) as stream:
        return max((len(line) for _, block in read_blocks(stream) for line in (block or b"").split(b"\n")), default=0)


@contextlib.asynccontextmanager
async def conversions(settings: Settings) -> AsyncIterator[Path]:
    """A folder, made when it is needed, for rows that are made of another kind of file for one request. What no run
    took of them is removed at the end."""
    folder = settings.scratch / f"{_CONVERTED}{secrets.token_hex(8)}"
    try:
        yield folder
    finally:
        # Asked here: most requests convert nothing, and one that is cut off with its loop can await nothing.
        if folder.exists():
            await asyncio.shield(to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True)))


def place_data(data: Data, run_dir: Path, settings: Settings) -> Data:
    """The same files as the run's own."""
    mix = [place_dataset(part, run_dir / f"mix-{number}.jsonl", settings) for number, part in enumerate(data.mix, 1)]
    measured = data.eval_dataset
    return Data(
        place_dataset(data.dataset, run_dir / "dataset.jsonl", settings),
        mix,
        place_dataset(measured, run_dir / "eval.jsonl", settings) if measured is not None else None,
    )


def place_dataset(dataset: Ref, target: Path, settings: Settings) -> Ref:
    """Give a run its own copy of its data, so that it can be resumed whatever becomes of the file.

    An upload never changes, so a link to it is enough; what was made of another kind of file is the run's alone; any
    other file is copied, and must still be what was checked.
    """
    source = Path(dataset.path)
    if source.parent.name.startswith(_CONVERTED) and source.parent.parent == settings.scratch:
        shutil.move(source, target)
        return dataset.model_copy(update={"path": str(target)})
    if source.is_relative_to(settings.datasets):
        with contextlib.suppress(OSError):
            os.link(source, target)
            return dataset.model_copy(update={"path": str(target)})
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        raise NotFound(f"dataset '{dataset.name}' was deleted while the run was being made") from None
    if sha256(target) != dataset.sha256:
        target.unlink()
        raise InvalidDataset(
            f"dataset '{dataset.name}' changed while it was read; start again when nobody writes to it"
        )
    return dataset.model_copy(update={"path": str(target)})
