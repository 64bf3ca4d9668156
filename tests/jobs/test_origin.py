"""Where a run's models come from, and whether they are still there when it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.model import Ancestor
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict, NotFound
from modelforge.jobs.origin import check_start


def write_spec(folder: Path, job_id: str, model: ModelRef, lineage: list[Ancestor]) -> None:
    spec = RunSpec(
        job_id=job_id, name=folder.name, created_at=now(), device="cpu", output_dir=str(folder), model=model,
        config=TrainingConfig(task="text-generation", model_name=model.name, dataset="d"), lineage=lineage,
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        modelforge_version="0",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(spec.model_dump_json())


@pytest.mark.parametrize("adapter", [True, False], ids=["adapter", "whole model"])
def test_a_run_goes_on_over_the_model_that_it_started_from(tmp_path: Path, adapter: bool) -> None:
    run, earlier = tmp_path / "train_2", tmp_path / "earlier"
    base = ModelRef(name="base", source="folder", path="/base")
    given = (
        base.model_copy(update={"adapter": str(earlier)})
        if adapter
        else ModelRef(name="earlier", source="registry", path=str(earlier))
    )
    with pytest.raises(NotFound, match=r"the run folder .* is gone"):
        check_start(run)
    write_spec(run, "train_2", given, [Ancestor(name="base"), Ancestor(name="earlier", job_id="train_1")])
    with pytest.raises(NotFound, match="model 'earlier', which job train_2 started from, is deleted"):
        check_start(run)
    write_spec(earlier, "train_1", base, [])
    check_start(run)
    # Another model has taken the name, and with it the folder.
    write_spec(earlier, "train_3", base, [])
    with pytest.raises(NotFound, match="is deleted"):
        check_start(run)


def test_a_run_from_a_model_that_was_not_trained_here_is_left_to_its_worker(tmp_path: Path) -> None:
    run = tmp_path / "train_1"
    write_spec(run, "train_1", ModelRef(name="m", source="hub", path="some/model"), [Ancestor(name="some/model")])
    check_start(run)


def test_a_damaged_spec_is_named(tmp_path: Path) -> None:
    run = tmp_path / "train_1"
    write_spec(run, "train_1", ModelRef(name="m", source="hub", path="some/model"), [])
    path = run / "spec.json"
    whole = path.read_text()
    for half in (whole[: len(whole) // 2], "", "[]", "{}"):
        path.write_text(half)
        with pytest.raises(Conflict, match=r"train_1/spec\.json is damaged.* start a new one"):
            check_start(run)
    path.write_text(whole.replace('"schema_version":1', '"schema_version":99'))
    with pytest.raises(Conflict, match="newer version of ModelForge"):
        check_start(run)
