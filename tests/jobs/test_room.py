"""What has no room is refused before it runs, with the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.job import DatasetRef
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.jobs.room import check_room, measure_room
from modelforge.settings import Settings, load_settings
from tests.test_memory import LLAMA, SEVENTY_BILLION


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = load_settings(home=tmp_path / "home")
    settings.make_folders()
    return settings


def check(settings: Settings, described: dict[str, Any], data: Path, **fields: Any) -> None:
    data.write_bytes(bytes(2_500_000))
    dataset = DatasetRef(name="d", path=str(data), sha256="0", num_examples=10, shape="input_output")
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", **fields)
    found = measure_room(config, described, [dataset], settings)
    if found is not None:
        check_room(found)


def test_what_fits_is_let_through(home: Settings, tmp_path: Path) -> None:
    check(home, LLAMA, tmp_path / "rows.jsonl")
    check(home, {"model_type": "unknown"}, tmp_path / "rows.jsonl")


def test_what_does_not_is_refused_with_the_figures(home: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(home, SEVENTY_BILLION, tmp_path / "rows.jsonl", use_lora=False, save_total_limit=7)
    told = refused.value.detail
    assert f"below {home.home} (8 checkpoints of 8" in told and "one of them being written" in told
    assert "2.5 MB for a copy of the data, and 2" in told and "GB are free" in told and "save_total_limit" in told


def test_an_upload_is_not_copied(home: Settings) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(home, SEVENTY_BILLION, home.datasets / "rows.jsonl", use_lora=False)
    assert "copy of the data" not in refused.value.detail
