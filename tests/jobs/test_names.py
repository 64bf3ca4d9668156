"""Names of new models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import JobState
from modelforge.errors import Conflict
from modelforge.jobs import names
from modelforge.settings import load_settings
from modelforge.store.database import Database
from modelforge.store.tables import JobRow


def test_a_saved_model_that_nobody_registered_blocks_no_name(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    settings.make_folders()
    database = Database(settings.database)
    folder = settings.models / "mine"
    folder.mkdir()
    with pytest.raises(Conflict, match="'mine' exists already"):  # somebody's own folder
        names.check_name_free("mine", settings, database)
    (folder / "spec.json").write_text(json.dumps({"job_id": "train_1"}))
    names.check_name_free("mine", settings, database)
    with database.session() as session:
        row = JobRow(
            id="train_1", name="other", status=JobState.SAVING, task="t", strategy="s", provider="p", model_name="m",
            dataset="d", config={}, token="t", created_at=now(),
        )  # fmt: skip
        session.add(row)
    with pytest.raises(Conflict, match="'mine' exists already"):
        names.check_name_free("mine", settings, database)
