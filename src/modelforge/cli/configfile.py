"""Training configurations in files: YAML 1.2 or JSON, or the ``spec.json`` that lies beside a trained model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import yaml

from modelforge import yaml12
from modelforge.contracts.job import SPEC_SCHEMA
from modelforge.errors import InvalidRequest


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that can be trained with")


def read_config(path: Path) -> dict[str, Any]:
    """The configuration in a file, unchecked: the API names what is wrong with its fields.

    Of a resolved spec it is the ``config``, without the name, which the spec's own model has. Raises InvalidRequest
    for what cannot be read or is no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise InvalidRequest(f"{path}: cannot be read: {error.strerror}") from error
    try:
        if path.suffix.lower() == ".json":
            values = json.loads(text, object_pairs_hook=yaml12.unique, parse_constant=_no_constant)
        else:
            values = yaml12.load(text)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise InvalidRequest(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise InvalidRequest(f"{path}: holds no fields; write one a line, such as 'task: text-generation'")
    if "schema_version" not in values:
        return values
    return _of_spec(path, values)


def _of_spec(path: Path, spec: dict[str, Any]) -> dict[str, Any]:
    version, config = spec["schema_version"], spec.get("config")
    if not isinstance(version, int) or version > SPEC_SCHEMA:
        raise InvalidRequest(
            f"{path}: a spec of schema version {version}, and this ModelForge reads up to {SPEC_SCHEMA}: upgrade it"
        )
    if not isinstance(config, dict):
        raise InvalidRequest(f"{path}: has a schema_version but no 'config': not a spec that ModelForge saved")
    return {name: value for name, value in config.items() if name != "name" and value is not None}


def absolute_paths(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the files of datasets and a model's folder made absolute where they exist from here."""
    found = dict(config)
    for field in ("dataset", "eval_dataset"):
        if field in config:
            found[field] = _dataset_reference(config[field])
    if isinstance(config.get("mix"), list):
        found["mix"] = [absolute_paths(part) if isinstance(part, dict) else part for part in config["mix"]]
    model = config.get("model_name")
    if isinstance(model, str) and model:
        found["model_name"] = model_reference(model)
    return found


def _dataset_reference(dataset: Any) -> Any:
    """A file made absolute; a name, and what is none, as it is."""
    if isinstance(dataset, str) and dataset and is_there(dataset, Path.is_file):
        return str(Path(dataset).expanduser().absolute())
    return dataset


def model_reference(model: str) -> str:
    """A model's folder made absolute; a name or a hub id as it is."""
    if is_there(model, lambda path: any((path / name).is_file() for name in ("config.json", "adapter_config.json"))):
        return str(Path(model).expanduser().absolute())
    return model


def is_there(text: str, check: Any) -> bool:
    """Whether the text is a path that passes the check; what the system cannot even look up is not."""
    try:
        return bool(check(Path(text).expanduser()))
    except (OSError, RuntimeError, ValueError):  # too long, no such user, a null byte
        return False
