"""Everything that can be checked before a run is queued, in one place, and every default that can be filled in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread

from modelforge.architectures import has_experts, require_exact_packing
from modelforge.catalogue import BUNDLED_MODELS
from modelforge.contracts.job import ModelRef
from modelforge.contracts.model import Ancestor
from modelforge.contracts.preflight import DiskFit, MemoryFit, Preflight, RequestText
from modelforge.contracts.training import BITSANDBYTES_OPTIMIZERS, CHANGES_THE_BASE, TrainingConfig
from modelforge.environments import find_environment
from modelforge.errors import Conflict, InvalidRequest, ModelForgeError
from modelforge.files import read_json_or_none
from modelforge.hardware import Hardware, quantization_obstacle
from modelforge.hub.folder import context_of
from modelforge.jobs.data import Data, check_tools, conversions, find_data, with_versions
from modelforge.jobs.duration import length_of, time_of
from modelforge.jobs.fit import Scales, check_memory, weigh
from modelforge.jobs.origin import adapter_options, config_of, find_model, find_reward_model, lineage_of
from modelforge.jobs.probing import Probe
from modelforge.jobs.room import check_room, measure_room
from modelforge.memory import Shape
from modelforge.providers import PROVIDERS
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.jobs import active_jobs, open_job_named
from modelforge.store.models import model_named
from modelforge.strategies import STRATEGIES
from modelforge.strategies.base import Strategy
from modelforge.tasks import TASKS
from modelforge.tasks.base import Task

COMPUTE_SPECS: dict[str, dict[str, Any]] = {
    # Four examples an optimizer step on every machine, so that the same request learns the same; a larger one takes
    # them in fewer passes.
    "low_end": {"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "gradient_accumulation_steps": 4},
    "mid_range": {"per_device_train_batch_size": 2, "per_device_eval_batch_size": 2, "gradient_accumulation_steps": 2},
    "high_end": {"per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "gradient_accumulation_steps": 1},
}


@dataclass(frozen=True)
class Plan:
    """A run that can start: its configuration with the defaults filled in, its data and its model."""

    config: TrainingConfig
    name: str
    data: Data
    model: ModelRef
    lineage: list[Ancestor]
    reward_model: ModelRef | None
    parameters: int | None
    """Weights of the base model, where its ``config.json`` tells."""
    warnings: list[str]


@dataclass
class Known:
    """What a check has found out so far: where one refuses, all that it came to know before."""

    config: TrainingConfig
    """With the defaults that are filled in by now."""
    scales: Scales | None = None
    """None where nothing is known of the model, or its provider keeps memory in its own way."""
    described: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The base model's ``config.json``."""
    data: Data | None = None
    memory: MemoryFit | None = None
    disk: DiskFit | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def parameters(self) -> int | None:
        """Weights of the base model, where its ``config.json`` tells."""
        shape = Shape.of(self.described)
        return shape.weights if shape is not None else None

    def measure(self, settings: Settings) -> None:
        """What the run takes of memory and disks, as far as model and files are known."""
        files = self.data.files if self.data is not None else []
        if self.scales is not None:
            self.memory = weigh(self.config, self.scales, files)
        if self.described:
            self.disk = measure_room(self.config, self.described, files, settings)


async def check(
    config: TrainingConfig,
    settings: Settings,
    database: Database,
    hardware: Hardware,
    probe: Probe,
    roots: Sequence[Path],
    scratch: Path,
    known: Known | None = None,
) -> Plan:
    """What the request comes to on this machine; paths in it lead into ``roots``, and ``scratch`` is of
    ``data.conversions``. ``known`` is filled in on the way. Raises a ModelForgeError that says what is wrong and what
    to do."""
    known = known or Known(config)
    task, strategy = TASKS.get(config.task), STRATEGIES.get(config.strategy)
    provider = PROVIDERS.get(config.provider)
    check_options(config, task, strategy)
    check_trust(config, settings)
    strategy.check(config)
    provider.check(config, hardware)
    if provider.environment is not None:
        find_environment(settings.home, provider.environment).interpreter()
    resolved = known.config = fill_defaults(config, task, strategy, hardware)
    check_precision(resolved, hardware)
    model = await to_thread.run_sync(find_model, config, roots, database)
    if model.adapter is not None and config.use_lora:
        resolved = resolved.model_copy(update=adapter_options(Path(model.adapter)))
    described = known.described = await to_thread.run_sync(config_of, model)
    if described:
        head = task.head(described, config.model_name)
        provider.check_head(head, config.model_name)
        if config.max_seq_length is None:
            resolved = _within_model(resolved, described)
        if config.lora_dropout is None and has_experts(described):
            # PEFT's adapters on a block of experts know no dropout.
            resolved = resolved.model_copy(update={"lora_dropout": 0.0})
        if provider.name == "huggingface":
            known.scales = Scales(described, head, strategy, hardware)
    known.config = resolved
    _check_limits(resolved, model, described)
    reward_model = await to_thread.run_sync(find_reward_model, resolved, model, roots, database)
    data, warnings = await find_data(resolved, task, strategy, roots, database, settings, scratch)
    resolved = with_versions(resolved, data)
    known.config, known.data, known.warnings = resolved, data, warnings
    await to_thread.run_sync(known.measure, settings)
    await check_tools(resolved, model, data, probe)
    if known.memory is not None:
        warnings += check_memory(resolved, known.memory)
    if known.disk is not None:
        check_room(known.disk)
    name = await to_thread.run_sync(choose_name, resolved, settings, database)
    lineage = lineage_of(config, model, database)
    return Plan(resolved, name, data, model, lineage, reward_model, known.parameters, warnings)


async def tell(
    config: TrainingConfig,
    settings: Settings,
    database: Database,
    hardware: Hardware,
    probe: Probe,
    roots: Sequence[Path],
    request: RequestText,
) -> Preflight:
    """The same for who asks before a start: the answer says what would be refused. Nothing is left of it. Raises only
    what is no fault of the request."""
    known, plan, refusal = Known(config), None, None
    async with conversions(settings) as scratch:
        try:
            plan = await check(config, settings, database, hardware, probe, roots, scratch, known)
        except ModelForgeError as error:
            if error.status_code >= 500:
                raise
            refusal = error
        if known.data is None:
            await to_thread.run_sync(known.measure, settings)
        length = length_of(known.config, known.data) if known.data is not None else None
        time = None
        if known.data is not None and length is not None and known.parameters is not None:
            time = await to_thread.run_sync(
                time_of, known.config, known.data, length, known.parameters, hardware, settings, database
            )
    return Preflight(
        ok=refusal is None,
        error=refusal.error if refusal is not None else None,
        detail=refusal.detail if refusal is not None else None,
        status_code=refusal.status_code if refusal is not None else None,
        field=field_of(refusal.detail) if refusal is not None else None,
        config=known.config.model_dump(mode="json"),
        name=plan.name if plan is not None else config.name,
        parameters=known.parameters,
        memory=known.memory,
        disk=known.disk,
        length=length,
        time=time,
        warnings=known.warnings,
        request=request,
    )


def field_of(detail: str) -> str | None:
    """The field of the training configuration that a refusal begins with."""
    named = re.match(r"(\w+)\b", detail)
    return named[1] if named and named[1] in TrainingConfig.model_fields else None


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
    obstacle = quantization_obstacle(hardware.device)
    if needs and obstacle is not None:
        raise InvalidRequest(f"{needs[0]} {obstacle}")


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
