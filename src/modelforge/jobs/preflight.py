"""Everything that can be checked before a run is queued, in one place, and every default that can be filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread

from modelforge.architectures import has_experts, require_exact_packing
from modelforge.contracts.info import FieldProblem
from modelforge.contracts.job import DatasetRef, ModelRef
from modelforge.contracts.model import Ancestor
from modelforge.contracts.preflight import DiskFit, MemoryFit, Preflight, RequestText, RunLength, TimeEstimate
from modelforge.contracts.training import TrainingConfig
from modelforge.environments import find_environment
from modelforge.errors import InvalidRequest, ModelForgeError
from modelforge.hardware import Hardware
from modelforge.hub.folder import context_of
from modelforge.jobs.data import Data, check_tools, find_data, with_versions
from modelforge.jobs.duration import length_of, time_of
from modelforge.jobs.fit import Scales, check_memory, weigh
from modelforge.jobs.names import choose_name
from modelforge.jobs.options import check_options, check_precision, check_trust, fill_defaults
from modelforge.jobs.origin import adapter_options, config_of, find_model, find_reward_model, lineage_of
from modelforge.jobs.probing import Probe
from modelforge.jobs.room import check_room, measure_room
from modelforge.memory import Shape
from modelforge.presets import PRESETS
from modelforge.providers import PROVIDERS
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS

TOO_FAST = 10
"""A learning rate of so many times the usual one is a slip: 1.0 took the starter model from 15 to 6 % of the words."""


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


class Inquiry:
    """The check of one request. Each stage finds out one thing and raises what is wrong with it; those after it make do
    with what is known."""

    def __init__(
        self,
        config: TrainingConfig,
        settings: Settings,
        database: Database,
        hardware: Hardware,
        probe: Probe,
        roots: Sequence[Path],
        scratch: Path,
    ) -> None:
        """Paths in the request lead into ``roots``; ``scratch`` is of ``data.conversions``."""
        self._asked = config
        self._settings = settings
        self._database = database
        self._hardware = hardware
        self._probe = probe
        self._roots = roots
        self._scratch = scratch
        self._task, self._strategy = TASKS.get(config.task), STRATEGIES.get(config.strategy)
        self._provider = PROVIDERS.get(config.provider)
        self._model: ModelRef | None = None
        self._reward_model: ModelRef | None = None
        self._described: dict[str, Any] = {}
        self._scales: Scales | None = None
        self.config = config
        """With the defaults that are filled in by now."""
        self.data: Data | None = None
        self.memory: MemoryFit | None = None
        self.disk: DiskFit | None = None
        self.name = config.name
        self.warnings: list[str] = []
        self._stages: Sequence[tuple[Callable[[], Awaitable[None]], str | None]] = (
            (self._find_options, None),
            (self._find_provider, "provider"),
            (self._fill_defaults, None),
            (self._find_precision, None),
            (self._find_model, "model_name"),
            (self._find_head, "model_name"),
            (self._find_reward_model, "reward_model"),
            (self._find_data, "dataset"),
            (self._find_preset, None),
            (self._find_tools, "dataset"),
            (self._find_memory, "model_name"),
            (self._find_room, None),
            (self._find_name, "name"),
        )
        """Each with the field that its refusals are about, where they name none."""

    @property
    def parameters(self) -> int | None:
        """Weights of the base model, where its ``config.json`` tells."""
        shape = Shape.of(self._described)
        return shape.weights if shape is not None else None

    def plan(self) -> Plan:
        """What all stages together found."""
        assert self._model is not None and self.data is not None and self.name is not None
        lineage = lineage_of(self._asked, self._model, self._database)
        return Plan(
            self.config, self.name, self.data, self._model, lineage, self._reward_model, self.parameters, self.warnings
        )

    def time(self, data: Data, length: RunLength, parameters: int) -> TimeEstimate | None:
        """How long it takes, as far as anybody can know."""
        return time_of(self.config, data, length, parameters, self._hardware, self._settings, self._database)

    async def refusals(self) -> AsyncIterator[tuple[ModelForgeError, list[FieldProblem]]]:
        """Goes through all stages, and on where the caller does: each refusal, and what it says of a field."""
        for stage, field in self._stages:
            try:
                await stage()
            except ModelForgeError as error:
                yield error, _by_field(error.detail, field)

    async def _find_options(self) -> None:
        check_options(self._asked, self._task, self._strategy)
        check_trust(self._asked, self._settings)
        self._strategy.check(self._asked)

    async def _find_provider(self) -> None:
        provider = self._provider
        provider.check(self._asked, self._hardware)
        if provider.environment is not None:
            find_environment(self._settings.home, provider.environment).interpreter()

    async def _fill_defaults(self) -> None:
        self.config = fill_defaults(self._asked, self._task, self._strategy, self._hardware)

    async def _find_precision(self) -> None:
        check_precision(self.config, self._hardware)

    async def _find_model(self) -> None:
        self._model = await to_thread.run_sync(find_model, self._asked, self._roots, self._database)
        if self._model.adapter is not None and self._asked.use_lora:
            self._resolve(**adapter_options(Path(self._model.adapter)))
        self._described = await to_thread.run_sync(config_of, self._model)

    async def _find_head(self) -> None:
        described, asked = self._described, self._asked
        if self._model is None:
            return
        if described:
            head = self._task.head(described, asked.model_name)
            self._provider.check_head(head, asked.model_name)
            if asked.max_seq_length is None:
                self.config = _within_model(self.config, described)
            if asked.lora_dropout is None and has_experts(described):
                # PEFT's adapters on a block of experts know no dropout.
                self._resolve(lora_dropout=0.0)
            if self._provider.name == "huggingface":
                self._scales = Scales(described, head, self._strategy, self._hardware)
        _check_limits(self.config, self._model, described)

    async def _find_reward_model(self) -> None:
        if self._model is not None:
            self._reward_model = await to_thread.run_sync(
                find_reward_model, self.config, self._model, self._roots, self._database
            )

    async def _find_data(self) -> None:
        self.data, self.warnings = await find_data(
            self.config, self._task, self._strategy, self._roots, self._database, self._settings, self._scratch
        )
        self.config = with_versions(self.config, self.data)

    async def _find_preset(self) -> None:
        if self._model is None or self.data is None:
            return
        found = PRESETS.get(self._asked.preset or "balanced").settings(
            length_of(self.config, self.data),
            self._described,
            supervised=tuple(self._strategy.shapes(self._task)) == tuple(self._task.shapes),
            adapter=self.config.use_lora,
            new=self._model.adapter is None,
        )
        rate, usual = self._asked.learning_rate, found.get("learning_rate")
        if rate is not None and usual is not None and rate > TOO_FAST * usual:
            self.warnings.append(
                f"learning_rate: {rate:g} is more than {TOO_FAST} times what suits a model of this size ({usual:g}); "
                "it is likely to forget more than it learns"
            )
        if self._asked.preset is None:
            return
        taken = {*self._asked.model_fields_set, *(() if self._asked.eval_dataset is None else ("eval_split",))}
        self._resolve(**{name: value for name, value in found.items() if name not in taken})

    async def _find_tools(self) -> None:
        if self._model is not None and self.data is not None:
            await check_tools(self.config, self._model, self.data, self._probe)

    async def _find_memory(self) -> None:
        if self._scales is not None:
            self.memory = await to_thread.run_sync(weigh, self.config, self._scales, self._files)
        if self.memory is not None:
            self.warnings += check_memory(self.config, self.memory)

    async def _find_room(self) -> None:
        if self._described:
            self.disk = await to_thread.run_sync(
                measure_room, self.config, self._described, self._files, self._settings
            )
        if self.disk is not None:
            check_room(self.disk)

    async def _find_name(self) -> None:
        self.name = await to_thread.run_sync(choose_name, self.config, self._settings, self._database)

    @property
    def _files(self) -> Sequence[DatasetRef]:
        return self.data.files if self.data is not None else ()

    def _resolve(self, **values: Any) -> None:
        self.config = self.config.model_copy(update=values)


async def check(inquiry: Inquiry) -> Plan:
    """What the request comes to on this machine. Raises a ModelForgeError that says what is wrong and what to do."""
    async for refusal, _ in inquiry.refusals():
        raise refusal
    return inquiry.plan()


async def tell(inquiry: Inquiry, request: RequestText) -> Preflight:
    """The same for who asks before a start: what ``check`` would raise, and all else that is known. Raises only what is
    no fault of the request."""
    refusal = None
    problems: list[FieldProblem] = []
    async for error, found in inquiry.refusals():
        if error.status_code >= 500:
            raise error
        refusal = refusal or error
        problems += found
    data, parameters = inquiry.data, inquiry.parameters
    length = length_of(inquiry.config, data) if data is not None else None
    time = None
    if data is not None and length is not None and parameters is not None:
        time = await to_thread.run_sync(inquiry.time, data, length, parameters)
    return Preflight(
        ok=refusal is None,
        error=refusal.error if refusal is not None else None,
        detail=refusal.detail if refusal is not None else None,
        status_code=refusal.status_code if refusal is not None else None,
        problems=problems,
        config=inquiry.config.model_dump(mode="json"),
        name=inquiry.name,
        parameters=parameters,
        memory=inquiry.memory,
        disk=inquiry.disk,
        length=length,
        time=time,
        warnings=inquiry.warnings,
        request=request,
    )


def _by_field(detail: str, field: str | None) -> list[FieldProblem]:
    """A refusal by the field that it begins with, as in ``lora_r: must be …``; else by the one that is given."""
    name, colon, words = detail.partition(": ")
    if colon and name in TrainingConfig.model_fields:
        return [FieldProblem(field=name, detail=words)]
    return [FieldProblem(field=field, detail=detail)] if field is not None else []


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
