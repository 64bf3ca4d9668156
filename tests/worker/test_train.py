"""What a worker reads before anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelforge.errors import InvalidRequest
from modelforge.worker.train import _read_spec
from tests.jobs.test_microbatch import spec


def test_a_spec_that_is_not_whole_is_named(tmp_path: Path) -> None:
    whole = spec().model_dump_json()
    (tmp_path / "spec.json").write_text(whole)
    assert _read_spec(tmp_path).name == "n"
    for half in (whole[: len(whole) // 2], "", "[]"):
        (tmp_path / "spec.json").write_text(half)
        with pytest.raises(InvalidRequest, match=r"spec\.json is damaged"):
            _read_spec(tmp_path)
    (tmp_path / "spec.json").write_text(whole.replace('"schema_version":1', '"schema_version":99'))
    with pytest.raises(InvalidRequest, match="newer version of ModelForge"):
        _read_spec(tmp_path)
