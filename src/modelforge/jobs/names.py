"""Names of new models: one that is given must be free, else one is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from modelforge.catalogue import BUNDLED_MODELS
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict
from modelforge.files import read_json_or_none
from modelforge.settings import Settings
from modelforge.store.database import Database
from modelforge.store.jobs import active_jobs, open_job_named
from modelforge.store.models import model_named


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
