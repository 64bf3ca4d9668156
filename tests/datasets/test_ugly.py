"""Every ugly file: what is said of it, and that it breaks nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelforge.datasets.check import check
from modelforge.datasets.ingest import MAX_BYTES, check_ending
from modelforge.datasets.validate import Report
from modelforge.errors import InvalidRequest, TooLarge, UnsupportedMedia
from tests.datasets.ugly import UGLY, Ugly


def look(path: Path, folder: Path, **reading: object) -> Report:
    """As the checking process does, without one."""
    check_ending(path.name)
    inner = folder / "in between"
    inner.mkdir()
    return check([[str(path), path.name]], str(folder / "rows"), str(inner), reading, MAX_BYTES)


def test_there_are_sixty() -> None:
    assert len(UGLY) >= 60
    assert all(each.what.endswith(".") for each in UGLY)


@pytest.mark.parametrize("each", UGLY, ids=lambda each: each.name)
def test_what_is_said_of_it(each: Ugly, tmp_path: Path) -> None:
    path = each.make(tmp_path)
    try:
        report = look(path, tmp_path)
    except (InvalidRequest, TooLarge, UnsupportedMedia) as refusal:
        said, usable = refusal.detail, None
    else:
        assert report.source is not None
        said, usable = "\n".join([*report.errors, *report.source["notes"]]), report.num_examples
        assert report.num_rows == report.num_examples + report.num_bad
        assert len(report.errors) == sum(found["severity"] == "error" for found in report.findings)
        if not each.says:
            assert report.errors == []
    print(said)
    if usable is not None and usable < 10:
        usable = None  # refused by the count alone
    assert usable == each.usable
    assert all(words in said for words in each.says)
    in_between = tmp_path / "in between"
    assert not in_between.exists() or not [left for left in in_between.iterdir() if left.name != "unpacked"]
