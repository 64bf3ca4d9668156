"""What can be chosen for a training on this machine, from the very classes that a training goes through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from modelforge.catalogue import ASSETS, bundled_model
from modelforge.contracts.catalogue import (
    BaseModelChoice,
    Catalogue,
    Choice,
    ModelFit,
    ProviderChoice,
    ShapeChoice,
    ShapeUse,
    StrategyChoice,
    TaskChoice,
)
from modelforge.contracts.job import RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.formats import SHAPES
from modelforge.datasets.formats import Shape as DatasetShape
from modelforge.datasets.mapping import usual_fields
from modelforge.environments import obstacle_of
from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none
from modelforge.hardware import Hardware, quantization_obstacle
from modelforge.hub.folder import context_of
from modelforge.hub.lookup import cached_config
from modelforge.jobs.fit import Scales, weigh
from modelforge.jobs.options import fill_defaults
from modelforge.memory import Shape
from modelforge.presets import PRESETS
from modelforge.providers import PROVIDERS
from modelforge.providers.base import Provider
from modelforge.settings import Settings
from modelforge.specfile import spec_of
from modelforge.store.database import Database
from modelforge.store.models import list_models
from modelforge.strategies import STRATEGIES
from modelforge.strategies.base import Strategy
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head, Task

_ANY = {"model_name": "model", "dataset": "dataset"}
"""A request has to name some, and nothing here depends on which."""


def catalogue(settings: Settings, database: Database, hardware: Hardware) -> Catalogue:
    """All of it. Reads the folders of the models that were trained here, and asks no other machine."""
    return Catalogue(
        tasks=[_task(task) for task in TASKS],
        strategies=[_strategy(strategy, hardware) for strategy in STRATEGIES],
        providers=[_provider(provider, settings, hardware) for provider in PROVIDERS],
        models=[*_bundled(hardware), *_trained(database, hardware), *_of_the_hub(hardware)],
        shapes=[_shape(shape) for shape in SHAPES],
        presets=[Choice(name=preset.name, about=preset.about) for preset in PRESETS],
    )


def _task(task: Task) -> TaskChoice:
    return TaskChoice(
        name=task.name,
        about=task.about,
        strategies=[strategy.name for strategy in STRATEGIES if _go_together(task, strategy)],
        providers=[provider.name for provider in PROVIDERS if _trains(provider, task)],
        fields=[list(SHAPES.get(shape).fields) for shape in task.shapes],
        options=_in_order(task.options),
    )


def _strategy(strategy: Strategy, hardware: Hardware) -> StrategyChoice:
    tasks = [task for task in TASKS if _go_together(task, strategy)]
    own = next(tuple(strategy.shapes(task)) for task in tasks)
    of_the_task = all(tuple(strategy.shapes(task)) == tuple(task.shapes) for task in tasks)
    defaults = strategy.defaults(TrainingConfig.model_validate({"task": tasks[0].name, **_ANY}))
    obstacle = quantization_obstacle(hardware.device) if defaults.get("use_4bit") else None
    return StrategyChoice(
        name=strategy.name,
        about=strategy.about,
        tasks=[task.name for task in tasks],
        fields=None if of_the_task else [list(SHAPES.get(shape).fields) for shape in own],
        options=_in_order(strategy.options),
        available=obstacle is None,
        obstacle=f"it {obstacle}" if obstacle is not None else None,
    )


def _shape(shape: DatasetShape) -> ShapeChoice:
    fields, optional = usual_fields(shape)
    methods = {
        task.name: [
            strategy.name
            for strategy in STRATEGIES
            if _go_together(task, strategy) and shape.name in strategy.shapes(task)
        ]
        for task in TASKS
    }
    uses = [
        ShapeUse.model_validate({"task": task, "strategies": strategies})
        for task, strategies in methods.items()
        if strategies
    ]
    return ShapeChoice(name=shape.name, fields=list(fields), optional=list(optional), uses=uses)


def _provider(provider: Provider, settings: Settings, hardware: Hardware) -> ProviderChoice:
    obstacle = obstacle_of(provider, settings.home, hardware)
    return ProviderChoice(
        name=provider.name,
        about=provider.about,
        tasks=[task.name for task in TASKS if _trains(provider, task)],
        available=obstacle is None,
        obstacle=obstacle,
    )


def _go_together(task: Task, strategy: Strategy) -> bool:
    try:
        TrainingConfig.model_validate({"task": task.name, "strategy": strategy.name, **_ANY})
    except ValidationError:
        return False
    return True


def _trains(provider: Provider, task: Task) -> bool:
    """Whether it trains some model of the hub's list for the task."""
    return any(_accepts(provider, head, name) for name, config in _hub_configs() if (head := _head(task, config, name)))


def _accepts(provider: Provider, head: Head, name: str) -> bool:
    try:
        provider.check_head(head, name)
    except InvalidRequest:
        return False
    return True


def _head(task: Task, described: Mapping[str, Any], name: str) -> Head | None:
    """What the task needs of the model; None where that cannot do it."""
    try:
        return task.head(described, name)
    except InvalidRequest:
        return None


def _in_order(options: frozenset[str]) -> list[str]:
    return [field for field in TrainingConfig.model_fields if field in options]


@cache
def _listed() -> dict[str, list[dict[str, Any]]]:
    """The models in ``assets/models.json``; a ``config`` has the sizes of the model's own ``config.json``."""
    found: dict[str, list[dict[str, Any]]] = json.loads((ASSETS / "models.json").read_text(encoding="utf-8"))
    return found


def _hub_configs() -> Iterator[tuple[str, dict[str, Any]]]:
    return ((each["name"], each["config"]) for each in _listed()["hub"])


def _bundled(hardware: Hardware) -> Iterator[BaseModelChoice]:
    for each in _listed()["bundled"]:
        described = read_json_or_none(bundled_model(each["name"]) / "config.json") or {}
        yield _model(each["name"], each["about"], "bundled", described, hardware, licence=each["licence"])


def _of_the_hub(hardware: Hardware) -> Iterator[BaseModelChoice]:
    for each in sorted(_listed()["hub"], key=lambda each: int(each["parameters"])):
        choice = _model(each["name"], each["about"], "hub", each["config"], hardware, licence=each["licence"])
        yield choice.model_copy(update={"gated": each["gated"], "parameters": each["parameters"]})


def _trained(database: Database, hardware: Hardware) -> Iterator[BaseModelChoice]:
    """Those of the registry, newest first. One whose folder is gone cannot be started from."""
    with database.session() as session:
        rows, _ = list_models(session, None, 0)
        found = [(row.name, row.strategy, row.task, row.base_model, row.path) for row in reversed(rows)]
    for name, strategy, task, base, path in found:
        spec = spec_of(Path(path))
        if spec is None:
            continue
        about = f"Trained here for {task} by {strategy}, from {base}."
        choice = _model(name, about, "registry", _described(spec, Path(path)), hardware)
        adapter = (Path(path) / "adapter_config.json").is_file()
        yield choice.model_copy(update={"tasks": [task]}) if adapter or not choice.tasks else choice


def _described(spec: RunSpec, folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a trained model, or of the base that its adapter stands on."""
    if not (folder / "adapter_config.json").is_file():
        found = read_json_or_none(folder / "config.json")
    elif spec.model.source == "hub":
        return cached_config(spec.model.path, spec.model.revision)
    else:
        found = read_json_or_none(Path(spec.model.path) / "config.json")
    return found if isinstance(found, dict) else {}


def _model(
    name: str,
    about: str,
    source: Literal["bundled", "registry", "hub"],
    described: Mapping[str, Any],
    hardware: Hardware,
    *,
    licence: str | None = None,
) -> BaseModelChoice:
    shape = Shape.of(described)
    tasks = [task for task in TASKS if described and _head(task, described, name)]
    return BaseModelChoice(
        name=name,
        about=about,
        source=source,
        parameters=shape.weights if shape is not None else None,
        context=context_of(described),
        licence=licence,
        gated=False,
        tasks=[task.name for task in tasks],
        fits=[fit for strategy in STRATEGIES for fit in _fits(tasks, strategy, name, described, hardware)],
    )


def _fits(
    tasks: list[Task], strategy: Strategy, name: str, described: Mapping[str, Any], hardware: Hardware
) -> Iterator[ModelFit]:
    """For the first thing that the model can be taught so, if there is any."""
    for task in [task for task in tasks if _go_together(task, strategy)][:1]:
        asked = {"task": task.name, "strategy": strategy.name, "model_name": name, "dataset": _ANY["dataset"]}
        config = fill_defaults(TrainingConfig.model_validate(asked), task, strategy, hardware)
        found = weigh(config, Scales(described, task.head(described, name), strategy, hardware))
        if found is not None:
            yield ModelFit(strategy=strategy.name, fits=found.fits, needs_mb=found.needs_mb, least_mb=found.least_mb)
