"""A checkpoint counts when its manifest agrees with its files, else the one before it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelforge.errors import InvalidRequest
from modelforge.worker import checkpoints


def make(folder: Path, step: int, *, sealed: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / "sub").mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (checkpoint / "sub" / "state.json").write_text('{"a": 1}')
    if sealed:
        checkpoints.seal(checkpoint, step, train_seconds=1.5)
    return checkpoint


def flip_a_bit(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)


def seal_also(checkpoint: Path, name: str) -> None:
    """Put one more name into the manifest."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    manifest["files"][name] = manifest["files"]["model.safetensors"]
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))


HARMS = {
    "a flipped bit": flip_a_bit,
    "cut short": lambda c: (c / "model.safetensors").write_bytes(b"short"),
    "a file gone": lambda c: (c / "sub" / "state.json").unlink(),
    "no manifest": lambda c: (c / "manifest.json").unlink(),
    "half a manifest": lambda c: (c / "manifest.json").write_text((c / "manifest.json").read_text()[:40]),
    "another manifest": lambda c: (c / "manifest.json").write_text("[]"),
    "a bottomless manifest": lambda c: (c / "manifest.json").write_text("[" * 100_000),
    "a name that no file has": lambda c: seal_also(c, "x" * 300),
    "a name elsewhere": lambda c: seal_also(c, "../checkpoint-9/model.safetensors"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_one_is_passed_over(tmp_path: Path, harm: str) -> None:
    make(tmp_path, 9)
    make(tmp_path, 10)  # by number, not by name
    assert checkpoints.latest_valid(tmp_path) == (tmp_path / "checkpoint-10", [])
    HARMS[harm](tmp_path / "checkpoint-10")
    found, said = checkpoints.latest_valid(tmp_path)
    assert found == tmp_path / "checkpoint-9"
    assert len(said) == 1 and said[0].startswith("checkpoint-10 ")
    assert not (tmp_path / "checkpoint-10").exists()


def test_a_newer_one_is_neither_used_nor_removed(tmp_path: Path) -> None:
    make(tmp_path, 9)
    newer = make(tmp_path, 10)
    (newer / "manifest.json").write_text('{"schema_version": 99, "step": 10, "files": {}}')
    with pytest.raises(InvalidRequest, match="newer version of ModelForge"):
        checkpoints.latest_valid(tmp_path)
    assert newer.exists()


def test_what_a_failed_save_left_is_removed(tmp_path: Path) -> None:
    make(tmp_path, 1)
    make(tmp_path, 2, sealed=False)
    checkpoints.remove_unsealed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]
    assert checkpoints.sealed_steps(tmp_path) == [1]


def test_none_is_none(tmp_path: Path) -> None:
    assert checkpoints.latest_valid(tmp_path / "missing") == (None, [])
    make(tmp_path, 1, sealed=False)
    assert checkpoints.latest_valid(tmp_path)[0] is None


def test_the_manifest_remembers(tmp_path: Path) -> None:
    manifest = checkpoints.manifest_of(make(tmp_path, 7))
    assert (manifest["step"], manifest["train_seconds"]) == (7, 1.5)
    assert set(manifest["files"]) == {"model.safetensors", "sub/state.json"}


def test_old_ones_go_and_the_best_stays(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 10):
        make(tmp_path, step)
    make(tmp_path, 5, sealed=False)  # what a killed run left
    make(tmp_path, 12, sealed=False)  # being written
    checkpoints.prune(tmp_path, 2, best=4)
    assert {path.name for path in tmp_path.iterdir()} == {f"checkpoint-{step}" for step in (4, 8, 10, 12)}
    checkpoints.prune(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-10", "checkpoint-12"}
    checkpoints.prune(tmp_path, 1)
    assert checkpoints.sealed_steps(tmp_path) == [10]


def test_none_goes_while_there_is_no_whole_one(tmp_path: Path) -> None:
    for step in (2, 4):
        make(tmp_path, step, sealed=False)
    checkpoints.prune(tmp_path, 1)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_only_looks_like_one_is_left_alone(tmp_path: Path) -> None:
    whole = make(tmp_path, 1)
    (tmp_path / "checkpoint-\N{SUPERSCRIPT TWO}").mkdir()
    (tmp_path / "checkpoint-3").write_text("a file")
    assert checkpoints.latest_valid(tmp_path) == (whole, [])
    (whole.parent / "checkpoint-4").mkdir()
    (whole.parent / "checkpoint-4" / "manifest.json").write_text('{"step": "5", "train_seconds": "x"}')
    assert checkpoints.sealed_steps(tmp_path) == [1]
    assert checkpoints.seconds_so_far(tmp_path) == 1.5
