"""Where a run's models come from, and whether they are still there when it goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.model import Ancestor
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import Conflict, InvalidRequest, NotFound
from modelforge.jobs.origin import check_root, check_start, find_folder
from modelforge.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def write_spec(folder: Path, job_id: str, model: ModelRef, lineage: list[Ancestor], **config: Any) -> None:
    spec = RunSpec(
        job_id=job_id, name=folder.name, created_at=now(), device="cpu", output_dir=str(folder), model=model,
        config=TrainingConfig(task="text-generation", model_name=model.name, dataset="d", **config), lineage=lineage,
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        modelforge_version="0",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(spec.model_dump_json())


@pytest.mark.parametrize("adapter", [True, False], ids=["adapter", "whole model"])
def test_a_run_goes_on_over_the_model_that_it_started_from(tmp_path: Path, settings: Settings, adapter: bool) -> None:
    run, earlier = tmp_path / "train_2", tmp_path / "earlier"
    base = ModelRef(name="base", source="folder", path="/base")
    given = (
        base.model_copy(update={"adapter": str(earlier)})
        if adapter
        else ModelRef(name="earlier", source="registry", path=str(earlier))
    )
    with pytest.raises(NotFound, match=r"the run folder .* is gone"):
        check_start(run, settings)
    write_spec(run, "train_2", given, [Ancestor(name="base"), Ancestor(name="earlier", job_id="train_1")])
    with pytest.raises(NotFound, match="model 'earlier', which job train_2 started from, is deleted"):
        check_start(run, settings)
    write_spec(earlier, "train_1", base, [])
    check_start(run, settings)
    # Another model has taken the name, and with it the folder.
    write_spec(earlier, "train_3", base, [])
    with pytest.raises(NotFound, match="is deleted"):
        check_start(run, settings)


def test_a_run_from_a_model_that_was_not_trained_here_is_left_to_its_worker(tmp_path: Path, settings: Settings) -> None:
    run = tmp_path / "train_1"
    write_spec(run, "train_1", ModelRef(name="m", source="hub", path="some/model"), [Ancestor(name="some/model")])
    check_start(run, settings)


def test_a_run_with_code_of_its_model_goes_on_only_while_the_server_allows_it(
    tmp_path: Path, settings: Settings
) -> None:
    run, base = tmp_path / "train_1", ModelRef(name="m", source="hub", path="some/model")
    write_spec(run, "train_1", base, [Ancestor(name="some/model")], trust_remote_code=True)
    with pytest.raises(InvalidRequest, match="MODELFORGE_ALLOW_REMOTE_CODE"):
        check_start(run, settings)
    check_start(run, settings.model_copy(update={"allow_remote_code": True}))


@pytest.mark.parametrize("name", ["secret", "none", "secret/file.txt"])
def test_whether_something_is_there_is_not_told_outside_the_roots(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file.txt").touch()
    (tmp_path / "open").mkdir()
    with pytest.raises(InvalidRequest, match="lies outside the folders"):
        find_folder(str(tmp_path / name), [tmp_path / "open"], "model_name")
    with pytest.raises(NotFound, match="there is no folder"):
        find_folder(str(tmp_path / "open" / "none"), [tmp_path / "open"], "model_name")
    assert find_folder("some/model", [tmp_path / "open"], "model_name") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
@pytest.mark.parametrize("where", ["config.json", "model.safetensors", "templates/chat.jinja"])
def test_a_models_folder_holds_files_alone(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "open" / "model"
    (folder / "templates").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    roots = [tmp_path / "open"]
    assert find_folder(str(folder), roots, "model_name") == folder
    (folder / where).unlink(missing_ok=True)
    (tmp_path / "outside").write_text("{}")
    (folder / where).symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidRequest, match="lies outside"):
        find_folder(str(folder), roots, "model_name")
    (folder / where).unlink()
    os.mkfifo(folder / where)
    with pytest.raises(InvalidRequest, match="a device or a pipe"):
        find_folder(str(folder), roots, "model_name")


def test_a_damaged_spec_is_named(tmp_path: Path, settings: Settings) -> None:
    run = tmp_path / "train_1"
    write_spec(run, "train_1", ModelRef(name="m", source="hub", path="some/model"), [])
    path = run / "spec.json"
    whole = path.read_text()
    for half in (whole[: len(whole) // 2], "", "[]", "{}"):
        path.write_text(half)
        with pytest.raises(Conflict, match=r"train_1/spec\.json is damaged.* start a new one"):
            check_start(run, settings)
    path.write_text(whole.replace('"schema_version":1', '"schema_version":99'))
    with pytest.raises(Conflict, match="newer version of ModelForge"):
        check_start(run, settings)


def test_data_roots_hold(tmp_path: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    allowed.mkdir()
    secret.mkdir()
    (allowed / "link").symlink_to(secret)
    (allowed / "loop").symlink_to(allowed / "loop")
    (allowed / "inner").symlink_to(allowed / "data.jsonl")
    assert check_root(allowed / "inner", [allowed], "dataset") == allowed / "data.jsonl"
    assert check_root(allowed / "loop", [allowed], "dataset") == allowed / "loop"
    for outside in (secret, allowed / ".." / "secret", allowed / "link" / "x", tmp_path / "allowed2", Path("/")):
        with pytest.raises(InvalidRequest, match="MODELFORGE_DATA_ROOTS"):
            check_root(outside, [allowed], "dataset")
