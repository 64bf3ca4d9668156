"""Where a run's models come from: the registry, the package, a folder of this machine, or the hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelforge.catalogue import BUNDLED_MODELS, bundled_model
from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.contracts.model import Ancestor
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict, InvalidRequest, NotFound
from modelforge.files import local_path, read_json_or_none
from modelforge.hub.folder import check_folder, context_of
from modelforge.hub.lookup import HUB_ID, find_config, find_revision
from modelforge.settings import Settings
from modelforge.specfile import spec_of, whole_spec
from modelforge.store.database import Database
from modelforge.store.models import holder_of, model_named
from modelforge.store.tables import ModelRow
from modelforge.strategies.rlhf import REWARD_FOLDER


def check_root(path: Path, roots: Sequence[Path], field: str) -> Path:
    """The path with its links followed. Raises InvalidRequest where that is outside the folders that may be read."""
    real = Path(os.path.realpath(path))  # unlike resolve(), also for links that lead in a circle
    if not any(real.is_relative_to(os.path.realpath(root.expanduser())) for root in roots):
        raise InvalidRequest(
            f"{field}: {path} lies outside the folders that this server reads for you: "
            f"{', '.join(map(str, roots))}. Put it into one of them; or who runs the server can add its folder to "
            "MODELFORGE_DATA_ROOTS"
        )
    return real


def find_folder(name: str, roots: Sequence[Path], field: str) -> Path | None:
    """The model's folder that a name means, its links followed; None for a name that may be one on the hub.

    Raises NotFound where there is none, InvalidRequest for one outside ``roots`` (there or not, which is nobody's
    business), or that holds what does not belong in a model's folder.
    """
    path = local_path(name, field)
    if path.exists() or is_path(name):
        path = check_root(path, roots, field)
    if path.is_dir():
        _check_files(path, roots, field)
        return path
    if path.exists():
        raise InvalidRequest(f"{field}: {name} is a file; a model is a folder with config.json and safetensors")
    if not HUB_ID.fullmatch(name):
        raise NotFound(f"{field}: there is no folder {name} on this machine")
    return None


def is_path(name: str) -> bool:
    """Whether a name can be nothing but a path."""
    return not HUB_ID.fullmatch(name) and ("/" in name or "\\" in name or name.startswith("~"))


def _check_files(folder: Path, roots: Sequence[Path], field: str) -> None:
    """Raises InvalidRequest for a link out of the roots, and for what is neither file nor folder: libraries open
    whatever has the right name, at most one folder deep, and would wait for ever on a pipe."""
    try:
        inner = sorted(folder.iterdir())
        if (folder / "config.json").is_file():  # else it is no model's, and may hold the world
            inner += sorted(folder.glob("*/*"))
        for path in inner:
            check_root(path, roots, field)
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise InvalidRequest(f"{field}: {path} is a device or a pipe; a model's folder holds files alone")
    except OSError as error:
        raise InvalidRequest(f"{field}: {folder} cannot be read: {error.strerror}") from error


def check_remote_code(spec: RunSpec | None, settings: Settings) -> None:
    """Raises InvalidRequest for a model whose own code would be run, where the server does not allow it."""
    if spec is not None and spec.config.trust_remote_code and not settings.allow_remote_code:
        raise InvalidRequest(
            f"model '{spec.config.model_name}' comes with Python code of its own, which this server does not run: who "
            "runs the server allows it by MODELFORGE_ALLOW_REMOTE_CODE=true, for models whose source is trusted"
        )


def find_model(config: TrainingConfig, roots: Sequence[Path], database: Database) -> ModelRef:
    """The model that a name means: of the registry, bundled, a local folder, or on the hub. Raises NotFound."""
    name = config.model_name
    with database.session() as session:
        earlier = model_named(session, name)
    return _earlier_model(config, earlier) if earlier is not None else find_base(config, roots)


def find_base(config: TrainingConfig, roots: Sequence[Path]) -> ModelRef:
    """The same, of those that no run made."""
    name = config.model_name
    if name in BUNDLED_MODELS:
        return ModelRef(name=name, source="bundled", path=str(bundled_model(name)))
    folder = find_folder(name, roots, "model_name")
    if folder is not None:
        check_folder(folder, name, use_safetensors=config.use_safetensors)
        return ModelRef(name=name, source="folder", path=str(folder))
    return ModelRef(name=name, source="hub", path=name, revision=find_revision(name))


def _earlier_model(config: TrainingConfig, earlier: ModelRow) -> ModelRef:
    """An earlier run's whole model is a folder like any other; its adapter is trained on, over the same base."""
    name, folder = earlier.name, Path(earlier.path)
    spec = spec_of(folder)
    if spec is None:
        raise NotFound(f"model '{name}' is in the registry, but its folder {folder} is gone or not whole")
    if not (folder / "adapter_config.json").is_file():
        return ModelRef(name=name, source="registry", path=str(folder))
    if earlier.task != config.task:
        raise InvalidRequest(
            f"model_name: '{name}' is an adapter for {earlier.task}, which cannot learn {config.task}; start from its "
            f"base model {spec.model.name}"
        )
    for field, value in adapter_options(folder).items():
        if config.use_lora and field in config.model_fields_set and getattr(config, field) != value:
            raise InvalidRequest(
                f"{field}: model '{name}' has an adapter with {field} {value}, which this run goes on training; leave "
                f"{field} out, or start from its base model"
            )
    return spec.model.model_copy(update={"adapter": str(folder)})


def adapter_options(folder: Path) -> dict[str, Any]:
    """What an adapter was made with, as fields of the training configuration: a run that goes on training it keeps
    them."""
    made = read_json_or_none(folder / "adapter_config.json") or {}
    names = {"lora_r": "r", "lora_alpha": "lora_alpha", "use_rslora": "use_rslora", "use_dora": "use_dora"}
    return {field: made[key] for field, key in names.items() if key in made} | {"init_lora_weights": "default"}


def config_of(model: ModelRef) -> dict[str, Any]:
    """The base model's ``config.json``; empty where it cannot be had without loading the model."""
    if model.source == "hub":
        return find_config(model.path, model.revision or "main")
    folder = bundled_model(model.name) if model.source == "bundled" else Path(model.path)
    config = read_json_or_none(folder / "config.json")
    return config if isinstance(config, dict) else {}


def within(config: TrainingConfig, model: ModelRef) -> TrainingConfig:
    """The configuration with the length that the model has positions for, where it says none."""
    if config.max_seq_length is not None:
        return config
    return config.model_copy(update={"max_seq_length": context_of(config_of(model))})


def lineage_of(config: TrainingConfig, model: ModelRef, database: Database) -> list[Ancestor]:
    """The models that this one descends from, by the spec of the one that it starts from."""
    with database.session() as session:
        earlier = model_named(session, config.model_name)
    spec = spec_of(Path(earlier.path)) if earlier is not None else None
    if earlier is None or spec is None:
        return [Ancestor(name=model.name)]
    before = spec.lineage or [Ancestor(name=spec.config.model_name)]
    return [*before, Ancestor(name=earlier.name, strategy=earlier.strategy, job_id=earlier.job_id)]


def check_start(run_dir: Path, settings: Settings) -> None:
    """Raises what ``whole_spec`` does; NotFound where the earlier model that a run started from is gone, or its folder
    is another model's now (a resume would go on over other weights); InvalidRequest where code would be run that the
    server no longer allows."""
    spec = whole_spec(run_dir)
    check_remote_code(spec, settings)
    earlier = spec.lineage[-1] if spec.lineage else None
    if earlier is None or earlier.job_id is None:
        return
    there = spec_of(Path(spec.model.adapter or spec.model.path))
    if there is None or there.job_id != earlier.job_id:
        raise NotFound(
            f"model '{earlier.name}', which job {spec.job_id} started from, is deleted, so the job cannot be resumed; "
            "start a new one from another model"
        )


def check_place(run_dir: Path, database: Database) -> None:
    """Raises Conflict where another model, which was renamed since, lies where the run's is to go."""
    output_dir = whole_spec(run_dir).output_dir
    with database.session() as session:
        holder = holder_of(session, Path(output_dir))
    if isinstance(holder, ModelRow):
        raise Conflict(
            f"job {run_dir.name} is to write its model to {output_dir}, where model '{holder.name}' lies by now: "
            "delete that one first, or start a new job with the same options"
        )


def find_reward_model(
    config: TrainingConfig, model: ModelRef, roots: Sequence[Path], database: Database
) -> ModelRef | None:
    """The reward model that the request names. Raises NotFound, or InvalidRequest for what cannot be one."""
    name = config.reward_model
    if name is None:
        return None
    with database.session() as session:
        earlier = model_named(session, name)
    folder = Path(earlier.path) / REWARD_FOLDER if earlier is not None else find_folder(name, roots, "reward_model")
    if folder is None:
        return ModelRef(name=name, source="hub", path=name, revision=find_revision(name))
    if earlier is not None and not folder.is_dir():
        raise InvalidRequest(
            f"reward_model: '{name}' was trained by {earlier.strategy} and has no reward model; rlhf models have one"
        )
    if not any(folder.glob("*.safetensors")):
        raise InvalidRequest(f"reward_model: {folder} holds no safetensors weights")
    spec = spec_of(folder.parent)
    # On the same base, it is one more adapter on it.
    same = spec is not None and (spec.model.path, spec.model.revision) == (model.path, model.revision)
    shared = str(folder) if same and (folder / "adapter_config.json").is_file() and config.use_lora else None
    return ModelRef(name=name, source="folder", path=str(folder.resolve()), adapter=shared)
