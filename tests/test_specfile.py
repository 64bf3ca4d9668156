"""A spec that is torn comes back from its copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelforge.contracts.job import RunSpec
from modelforge.specfile import mend_spec, write_spec
from tests.ledgers import JOB, Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Run(tmp_path).folder


def spec_in(folder: Path) -> RunSpec:
    return RunSpec.model_validate_json((folder / "spec.json").read_text())


@pytest.mark.parametrize("harm", ["cut", "rubbed out", "gone"])
def test_a_torn_spec_comes_back(folder: Path, harm: str) -> None:
    spec = spec_in(folder).model_copy(update={"frozen": True})
    write_spec(folder, spec)
    path = folder / "spec.json"
    text = path.read_text()
    if harm == "gone":
        path.unlink()
    else:
        path.write_text(text[:100] if harm == "cut" else "\0" * len(text))
    assert mend_spec(folder)
    assert spec_in(folder) == spec
    assert not mend_spec(folder)


def test_a_whole_spec_stays_whatever_the_copy_is(folder: Path) -> None:
    spec = spec_in(folder)
    assert not mend_spec(folder)  # a run of an earlier version has no copy
    write_spec(folder, spec)
    newer = spec.model_copy(update={"frozen": True})
    (folder / "spec.json").write_text(newer.model_dump_json())
    assert not mend_spec(folder)
    assert spec_in(folder) == newer
    (folder / "spec.copy.json").write_text("{")
    (folder / "spec.json").write_text("{")
    assert not mend_spec(folder)
    assert folder.name == JOB
