"""Everything that can be checked before a run is queued, in one place, and every default that can be filled in."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from anyio import to_thread

from modelforge.architectures import has_experts, require_exact_packing
from modelforge.catalogue import BUNDLED_MODELS
from modelforge.contracts.job import DatasetRef, MixRef, ModelRef
from modelforge.contracts.model import Ancestor
from modelforge.contracts.training import BITSANDBYTES_OPTIMIZERS, CHANGES_THE_BASE, TrainingConfig
from modelforge.datasets import ingest
from modelforge.datasets.formats import MIN_EXAMPLES, misfit
from modelforge.datasets.rows import read_blocks
from modelforge.engine.families import FAMILIES
from modelforge.environments import find_environment
from modelforge.errors import Conflict, InvalidDataset, InvalidRequest, NotFound
from modelforge.files import local_path, read_json_or_none, sha256
from modelforge.hardware import Hardware
from modelforge.hub.folder import context_of
from modelforge.jobs.origin import adapter_options, check_root, config_of, find_model, find_reward_model, lineage_of
from modelforge.jobs.probing import SECONDS, Probe
from modelforge.jobs.room import check_room
from modelforge.memory import LENGTH_WITHIN_MEMORY, MB, Batch, Estimate, estimate
from modelforge.probe.order import Order
from modelforge.providers import PROVIDERS
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.datasets import dataset_named, get_dataset
from modelforge.store.jobs import active_jobs, open_job_named
from modelforge.store.models import model_named
from modelforge.strategies import STRATEGIES
from modelforge.strategies.base import Strategy
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head, Task

Ref = TypeVar("Ref", bound=DatasetRef)

_CONVERTED = ".dataset-"
"""How files in the scratch folder begin that hold the rows of a CSV file, a workbook and the like."""
COMPUTE_SPECS: dict[str, dict[str, Any]] = {
    # Four examples an optimizer step on every machine, so that the same request learns the same; a larger one takes
    # them in fewer passes.
    "low_end": {"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "gradient_accumulation_steps": 4},
    "mid_range": {"per_device_train_batch_size": 2, "per_device_eval_batch_size": 2, "gradient_accumulation_steps": 2},
    "high_end": {"per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "gradient_accumulation_steps": 1},
}


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


@dataclass(frozen=True)
class Plan:
    """A run that can start: its configuration with the defaults filled in, its data and its model."""

    config: TrainingConfig
    name: str
    data: Data
    model: ModelRef
    lineage: list[Ancestor]
    reward_model: ModelRef | None
    warnings: list[str]


async def check(
    config: TrainingConfig,
    settings: Settings,
    database: Database,
    hardware: Hardware,
    probe: Probe,
    roots: Sequence[Path],
) -> Plan:
    """What the request comes to on this machine; paths in it lead into ``roots``. Raises a ModelForgeError that says
    what is wrong and what to do."""
    task, strategy = TASKS.get(config.task), STRATEGIES.get(config.strategy)
    provider = PROVIDERS.get(config.provider)
    check_options(config, task, strategy)
    check_trust(config, settings)
    strategy.check(config)
    provider.check(config, hardware)
    if provider.environment is not None:
        find_environment(settings.home, provider.environment).interpreter()
    resolved = fill_defaults(config, task, strategy, hardware)
    check_precision(resolved, hardware)
    model = await to_thread.run_sync(find_model, config, roots, database)
    if model.adapter is not None and config.use_lora:
        resolved = resolved.model_copy(update=adapter_options(Path(model.adapter)))
    described = await to_thread.run_sync(config_of, model)
    if described:
        provider.check_head(task.head(described, config.model_name), config.model_name)
        if config.max_seq_length is None:
            resolved = _within_model(resolved, described)
        if config.lora_dropout is None and has_experts(described):
            # PEFT's adapters on a block of experts know no dropout.
            resolved = resolved.model_copy(update={"lora_dropout": 0.0})
    _check_limits(resolved, model, described)
    reward_model = await to_thread.run_sync(find_reward_model, resolved, model, roots, database)
    data, warnings = await _find_data(resolved, task, strategy, roots, database, settings)
    resolved = _with_versions(resolved, data)
    await _check_tools(resolved, model, data, probe)
    if described and provider.name == "huggingface":
        head = task.head(described, config.model_name)
        warnings += await to_thread.run_sync(check_memory, resolved, described, head, strategy, hardware, data.files)
    if described:
        await to_thread.run_sync(check_room, resolved, described, data.files, settings)
    name = await to_thread.run_sync(choose_name, resolved, settings, database)
    return Plan(resolved, name, data, model, lineage_of(config, model, database), reward_model, warnings)


def check_trust(config: TrainingConfig, settings: Settings) -> None:
    """Raises InvalidRequest where a model's own code would be run, and the server does not allow it."""
    if config.trust_remote_code and not settings.allow_remote_code:
        raise InvalidRequest(
            "trust_remote_code: this server runs no code that comes with a model. Leave it out; or who runs the server "
            "allows it by MODELFORGE_ALLOW_REMOTE_CODE=true, for models whose source is trusted"
        )


def check_options(config: TrainingConfig, task: Task, strategy: Strategy) -> None:
    """Raises InvalidRequest for an option that another strategy or task takes, and this one would not heed."""
    for kind, chosen, variants in (("strategy", strategy, STRATEGIES), ("task", task, TASKS)):
        owners: dict[str, list[str]] = {}
        for variant in variants:
            for field in variant.options:
                owners.setdefault(field, []).append(variant.name)
        for field, names in owners.items():
            if getattr(config, field) is not None and field not in chosen.options:
                raise InvalidRequest(
                    f"{field}: it belongs to the {kind} {' and '.join(names)}, and this request has the {kind} "
                    f"{chosen.name}; leave it out"
                )
    if config.eval_dataset is not None and config.eval_split > 0 and "eval_split" in config.model_fields_set:
        raise InvalidRequest(
            "eval_split: with an eval_dataset nothing is held out of the dataset; leave one of the two out"
        )
    if config.init_lora_weights in CHANGES_THE_BASE and config.use_lora:
        for field in ("use_4bit", "use_8bit", "use_dora", "use_rslora"):
            if getattr(config, field):
                raise InvalidRequest(
                    f"init_lora_weights: '{config.init_lora_weights}' takes the adapter's start out of the base "
                    f"weights, which {field} does not allow; use default, gaussian or orthogonal"
                )
        if config.strategy == "qlora":
            raise InvalidRequest(
                f"init_lora_weights: '{config.init_lora_weights}' takes the adapter's start out of the base weights, "
                "which cannot be done to 4-bit ones; use default, gaussian or orthogonal"
            )
    if config.init_lora_weights == "orthogonal" and config.lora_r % 2 and config.use_lora:
        raise InvalidRequest(f"lora_r: init_lora_weights 'orthogonal' needs an even number, not {config.lora_r}")
    if not config.use_lora:
        for field, off in (("use_rslora", False), ("use_dora", False), ("loraplus_lr_ratio", None)):
            if getattr(config, field) is not off:
                raise InvalidRequest(f"{field}: there is no adapter when use_lora is false; leave it out")
        if config.init_lora_weights != "default":
            raise InvalidRequest("init_lora_weights: there is no adapter when use_lora is false; leave it out")


def fill_defaults(config: TrainingConfig, task: Task, strategy: Strategy, hardware: Hardware) -> TrainingConfig:
    """The request wins over what ``compute_specs`` sets, and that over the task's, the strategy's and the hardware's
    defaults."""
    specs = config.compute_specs or hardware.compute_specs
    bf16 = hardware.fast_bf16 and not config.fp16
    fp16 = hardware.device == "cuda" and not bf16 and not config.bf16
    defaults: dict[str, Any] = {
        "compute_specs": specs,
        "use_4bit": False,
        "use_8bit": False,
        "bf16": bf16,
        "fp16": fp16,
        "bnb_4bit_compute_dtype": "bfloat16" if bf16 else "float16" if fp16 else "float32",
        "optim": "adamw_torch_fused",
        **task.defaults(config),
        **strategy.defaults(config),
        **PROVIDERS.get(config.provider).defaults(config),
        **COMPUTE_SPECS[specs],
    }
    asked = config.model_dump()
    filled = {name: value for name, value in defaults.items() if asked[name] is None}
    if config.eval_dataset is not None:
        filled["eval_split"] = 0.0
    return TrainingConfig.model_validate({**asked, **filled})


def check_precision(config: TrainingConfig, hardware: Hardware) -> None:
    """Raises InvalidRequest for a number format that this machine does not compute in, or a library that is missing."""
    if config.fp16 and hardware.device != "cuda":
        raise InvalidRequest(
            f"fp16: training in float16 needs an NVIDIA GPU, and this machine trains on {hardware.device}"
        )
    if config.bf16 and hardware.device == "cuda" and not hardware.fast_bf16:
        raise InvalidRequest(f"bf16: {hardware.gpus[0].name} does not compute in bfloat16; set fp16 instead")
    needs = [name for name in ("use_4bit", "use_8bit") if getattr(config, name)]
    needs += [f"optim '{config.optim}'"] if config.optim in BITSANDBYTES_OPTIMIZERS else []
    if needs and hardware.device == "mps":
        raise InvalidRequest(f"{needs[0]} needs bitsandbytes, which does not work on Apple's GPU")
    if needs and importlib.util.find_spec("bitsandbytes") is None:
        raise InvalidRequest(
            f"{needs[0]} needs bitsandbytes, which is not installed: pip install 'modelforge[quantization]'"
        )


def _within_model(config: TrainingConfig, described: dict[str, Any]) -> TrainingConfig:
    """A provider's default of ``max_seq_length`` is no wish: a model that takes less gets less."""
    limit = context_of(described)
    if limit is None or config.max_seq_length is None:
        return config
    return config.model_copy(update={"max_seq_length": min(config.max_seq_length, limit)})


def _check_limits(config: TrainingConfig, model: ModelRef, described: dict[str, Any]) -> None:
    """What the model's own configuration rules out, where it could be had; else the worker finds out."""
    # More positions than a model has would crash its embedding, or be nonsense to it.
    limit = context_of(described)
    if limit is not None and config.max_seq_length is not None and config.max_seq_length > limit:
        raise InvalidRequest(
            f"max_seq_length: {config.max_seq_length} is more than the {limit} tokens of '{model.name}'"
        )
    if config.packing:
        require_exact_packing(described, model.name)


SMALLEST: dict[str, Any] = {"per_device_train_batch_size": 1, "gradient_checkpointing": True, "num_generations": 2}
"""Settings with which a run takes the least memory; none of them changes the model or what it reads."""
TEMPLATE_TOKENS = 64
"""Around a row's text, at most, about."""


def check_memory(
    config: TrainingConfig,
    described: Mapping[str, Any],
    head: Head,
    strategy: Strategy,
    hardware: Hardware,
    files: Sequence[DatasetRef],
) -> list[str]:
    """What is worth knowing of the memory that the run will take. Raises InvalidRequest where this machine has less
    than the run needs with the smallest settings."""
    longest = config.max_seq_length or min(
        context_of(described) or LENGTH_WITHIN_MEMORY["high_end"],
        LENGTH_WITHIN_MEMORY[config.compute_specs or "low_end"],
    )
    has, free = _memory(hardware), _free(hardware)
    wanted = _estimate(config, described, head, strategy, hardware, longest)
    if wanted is None or wanted.total <= min(has, free):
        return []
    # The limit may be far from what the rows are: none has more tokens than bytes.
    longest = min(longest, max(_longest_line(Path(file.path)) for file in files) + TEMPLATE_TOKENS)
    wanted = _estimate(config, described, head, strategy, hardware, longest)
    least = config.model_copy(update=SMALLEST)
    needs = _estimate(least, described, head, strategy, hardware, longest)
    assert wanted is not None and needs is not None
    if needs.total > has:
        advice = _advice(least, described, head, strategy, hardware, longest, has)
        raise InvalidRequest(
            f"model_name: training '{config.model_name}' needs at least {needs.told()}. This machine has "
            f"{has / 1e3:.1f} GB. {advice}"
        )
    if needs.total > free:
        return [
            f"This run needs at least {needs.total / 1e3:.1f} GB of memory, and {free / 1e3:.1f} GB are free now: "
            "close other programs, or the system may end it"
        ]
    if wanted.total > free:
        return [
            f"With examples of {longest} tokens this run needs {wanted.told()}. {free / 1e3:.1f} GB are free now: it "
            "fits with a smaller batch, a smaller max_seq_length, or gradient_checkpointing, which takes a third longer"
        ]
    return []


def _estimate(
    config: TrainingConfig,
    described: Mapping[str, Any],
    head: Head,
    strategy: Strategy,
    hardware: Hardware,
    longest: int,
) -> Estimate | None:
    engine = (
        strategy.engine
        and head is Head.CAUSAL
        and config.use_lora
        and described.get("model_type") in FAMILIES
        and (config.packing is not False or not strategy.packs)
    )
    batch = Batch.of(config, longest, longest if engine else None)
    return estimate(described, config, batch, device=hardware.device, engine=engine, head=head)


def _advice(
    least: TrainingConfig,
    described: Mapping[str, Any],
    head: Head,
    strategy: Strategy,
    hardware: Hardware,
    longest: int,
    has: float,
) -> str:
    """What of the same would fit, in words."""

    def fits(length: int = longest, **changes: Any) -> bool:
        found = _estimate(least.model_copy(update=changes), described, head, strategy, hardware, length)
        return found is not None and found.total <= has

    found = []
    lengths = (2**power for power in range(20, 5, -1))
    shorter = next((length for length in lengths if length < longest and fits(length)), None)
    if shorter is not None:
        found.append(f"max_seq_length {shorter}")
    if not least.use_lora and fits(use_lora=True):
        found.append("use_lora true")
    if (
        not (least.use_4bit or least.strategy == "qlora")
        and hardware.device != "mps"
        and fits(use_lora=True, use_4bit=True)
    ):
        found.append("strategy 'qlora'" if least.strategy == "sft" else "use_4bit true with use_lora")
    return f"What would fit: {', or '.join(found)}." if found else "Start from a smaller model, or on a larger machine."


def _memory(hardware: Hardware) -> float:
    """What the device that trains has, in units of 1 000 000 bytes."""
    return 1e3 * (hardware.gpus[0].memory_gb if hardware.device == "cuda" else hardware.memory_gb)


def _free(hardware: Hardware) -> float:
    """Of that, what nobody uses now; of a GPU all is taken for free, which the worker finds out about."""
    return _memory(hardware) if hardware.device == "cuda" else psutil.virtual_memory().available / MB


def _longest_line(path: Path) -> int:
    """In bytes, of those that are read at all: another may be as long as the file."""
    with ingest.open_regular(path) as stream:
        return max((len(line) for _, block in read_blocks(stream) for line in (block or b"").split(b"\n")), default=0)


async def _find_data(
    config: TrainingConfig,
    task: Task,
    strategy: Strategy,
    roots: Sequence[Path],
    database: Database,
    settings: Settings,
) -> tuple[Data, list[str]]:
    """The files that the request means, checked for the task; and what is worth knowing of them."""
    warnings: list[str] = []

    async def find(field: str, name: str, version: int | None, least: int = 1) -> DatasetRef:
        found, noted = await _find_dataset(field, name, version, task, strategy, roots, database, least, settings)
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


async def _check_tools(config: TrainingConfig, model: ModelRef, data: Data, probe: Probe) -> None:
    """Raises InvalidRequest for conversations with tools that the model's chat template cannot write."""
    for file in data.files:
        if file.shape == "messages":
            order = Order(path=file.path, shape=file.shape, config=config, model=model)
            try:
                await probe.ask("tools", order, SECONDS + Path(file.path).stat().st_size / SCANNED)
            except InvalidRequest as refusal:
                raise InvalidRequest(f"dataset '{file.name}': {refusal.detail}") from refusal


def _with_versions(config: TrainingConfig, data: Data) -> TrainingConfig:
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
        rows = settings.scratch / f"{_CONVERTED}{secrets.token_hex(8)}"
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


def choose_name(config: TrainingConfig, settings: Settings, database: Database) -> str:
    """The new model's name: the given one, which must be free (Conflict), or one made from the base model's."""
    if config.name is not None:
        check_name_free(config.name, settings, database)
        return config.name
    base = Path(config.model_name.rstrip("/\\")).name or "model"
    stem = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-")[:64] or "model"
    for name in _candidates(f"my-{stem}-finetuned"):
        try:
            check_name_free(name, settings, database)
        except Conflict:
            continue
        return name
    raise AssertionError("unreachable: there is always a next number")


def _candidates(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def check_name_free(name: str, settings: Settings, database: Database) -> None:
    """Raises Conflict where a model or a bundled model has the name, or a job that waits or runs is to make one."""
    with database.session() as session:
        active = active_jobs(session)
        rival = open_job_named(session, name)
        taken = model_named(session, name) is not None
    if rival is not None:
        raise Conflict(f"name: job {rival.id} is to make the model '{name}'; choose another name, or stop that job")
    if not taken and (folder := settings.models / name).exists():
        # One that a worker saved and did not live to report is nobody's model: the next of the name takes its place.
        spec = read_json_or_none(folder / "spec.json")
        taken = not isinstance(spec, dict) or spec.get("job_id") in {job.id for job in active}
    if taken or name.lower() in BUNDLED_MODELS:
        raise Conflict(f"name: a model '{name}' exists already; choose another name, or delete that one first")


def converted(settings: Settings) -> list[Path]:
    """What ``check`` made of files that are no JSON Lines, where no run took it."""
    return list(settings.scratch.glob(f"{_CONVERTED}*"))


def drop_converted(settings: Settings) -> None:
    for rows in converted(settings):
        rows.unlink(missing_ok=True)


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
    if source.name.startswith(_CONVERTED) and source.parent == settings.scratch:
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
