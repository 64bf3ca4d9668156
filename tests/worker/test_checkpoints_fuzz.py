"""No manifest breaks a resume, and none but the true one makes a checkpoint whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelforge.errors import InvalidRequest
from modelforge.files import sha256
from modelforge.worker import checkpoints
from tests.fuzz import fuzzed

WEIGHTS = "model.safetensors"
NAMES = st.sampled_from(
    [WEIGHTS, "sub/state.json", "missing", "../checkpoint-1/model.safetensors", "/dev/zero", "\0", "x" * 300, "", "."]
)
VALUES = (
    st.none() | st.booleans() | st.integers(-3, 300) | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([1, 1.5, "1", "\ud800", 10**400])
)  # fmt: skip
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def make(folder: Path, step: int) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(exist_ok=True)
    (checkpoint / WEIGHTS).write_bytes(b"weights")
    return checkpoint


def truth(checkpoint: Path, step: int) -> dict[str, Any]:
    known = {"size": 7, "sha256": sha256(checkpoint / WEIGHTS)}
    return {"schema_version": 1, "step": step, "train_seconds": 1.5, "files": {WEIGHTS: known}}


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """What is put in the place of what, by where it stands."""
    places = st.sampled_from(["schema_version", "step", "train_seconds", "files", "size", "sha256", "name", "more"])
    return draw(st.lists(st.tuples(places, ANYTHING | NAMES), max_size=3))


def changed(manifest: dict[str, Any], changes: list[tuple[str, Any]]) -> dict[str, Any]:
    for place, value in changes:
        files = manifest["files"]
        if place in ("size", "sha256"):
            if isinstance(files, dict) and isinstance(files.get(WEIGHTS), dict):
                files[WEIGHTS][place] = value
        elif place == "name":
            if isinstance(files, dict):
                files[str(value)] = files.get(WEIGHTS)
        else:
            manifest[place] = value
    return manifest


@fuzzed(300)
@given(raw=changes() | st.binary(max_size=80) | st.sampled_from([b"[" * 5000, b"9" * 5000]) | ANYTHING)
def test_no_manifest_breaks_a_resume(folder: Path, raw: object) -> None:
    older, newer = make(folder, 9), make(folder, 10)
    (older / checkpoints.MANIFEST).write_text(json.dumps(truth(older, 9)))
    true = truth(newer, 10)
    if isinstance(raw, list) and all(isinstance(each, tuple) for each in raw):
        text = json.dumps(changed(truth(newer, 10), raw)).encode()
    else:
        text = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    (newer / checkpoints.MANIFEST).write_bytes(text)
    steps = checkpoints.sealed_steps(folder)
    assert 9 in steps and steps == sorted(steps)
    assert checkpoints.seconds_so_far(folder) >= 1.5
    try:
        found, said = checkpoints.latest_valid(folder)
    except InvalidRequest as refusal:
        assert "newer version" in refusal.detail and newer.exists()
        return
    if found == newer:
        assert json.loads(text)["files"] == true["files"] and not said
        assert isinstance(checkpoints.manifest_of(newer)["step"], int)
    else:
        assert found == older and len(said) == 1 and said[0].startswith("checkpoint-10 ")
        assert not newer.exists()
