"""A request is refused by the field that is wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest, NotFound
from modelforge.jobs import preflight
from modelforge.jobs.probing import Probe
from modelforge.lease import DeviceLease
from modelforge.settings import load_settings
from modelforge.store.database import Database
from tests.jobs.test_options import machine


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("x" * 300, InvalidRequest),
        ("a\0b", InvalidRequest),
        ("~nosuchuser/x", NotFound),
        ("/" + "y" * 300, InvalidRequest),
    ],
)
def test_names_that_no_file_can_have(tmp_path: Path, tiny_model: Path, text: str, refusal: type[Exception]) -> None:
    settings = load_settings(home=tmp_path)
    database = Database(tmp_path / "test.db")
    probe = Probe(settings, DeviceLease("cpu"))
    for field, named in (("model_name", (text, "d")), ("dataset", (str(tiny_model), text))):
        config = TrainingConfig(task="text-generation", model_name=named[0], dataset=named[1])
        with pytest.raises(refusal, match=f"^{field}: "):
            inquiry = preflight.Inquiry(config, settings, database, machine(), probe, [Path("/")], tmp_path / "rows")
            asyncio.run(preflight.check(inquiry))
