"""Which models stay loaded."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from pathlib import Path

import pytest

from modelforge.errors import InvalidRequest, NotFound
from modelforge.inference.protocol import ModelTarget
from modelforge.inference.shelf import Shelf
from modelforge.tasks import TASKS
from tests.tiny import make_tiny_model


def target(folder: Path) -> ModelTarget:
    return ModelTarget(path=str(folder), provider="huggingface", task="text-generation", tuned=True)


@pytest.fixture
def folders(tmp_path: Path, tiny_model: Path) -> list[Path]:
    """Four models of equal size."""
    return [Path(shutil.copytree(tiny_model, tmp_path / name)) for name in "abcd"]


def shelf_for(said: list[str], megabytes: int = 0) -> Shelf:
    return Shelf("cpu", megabytes, said.append)


def test_the_longest_unused_goes_first(folders: list[Path]) -> None:
    a, b, c, d = folders
    shelf = shelf_for([])
    one = shelf.get(target(a)).size
    shelf.budget = 3 * one
    shelf.get(target(b))
    shelf.get(target(c))
    shelf.get(target(a))
    assert shelf.paths() == [str(b), str(c), str(a)]
    shelf.get(target(d))
    assert shelf.paths() == [str(c), str(a), str(d)]


def test_a_model_larger_than_the_budget_is_loaded_alone(folders: list[Path], tmp_path: Path) -> None:
    large = make_tiny_model(tmp_path / "large", hidden_size=64)
    shelf = shelf_for([])
    shelf.budget = 2 * shelf.get(target(folders[0])).size
    shelf.get(target(folders[1]))
    assert shelf.get(target(large)).size > shelf.budget
    assert shelf.paths() == [str(large)]


def test_the_size_is_known_before_loading(tiny_model: Path) -> None:
    from modelforge.providers import PROVIDERS

    expected = PROVIDERS.get("huggingface").trained_bytes(str(tiny_model), TASKS.get("text-generation"), "cpu")
    assert shelf_for([]).get(target(tiny_model)).size == pytest.approx(expected, rel=0.01)


def test_the_budget_is_what_was_given_or_half_of_what_is_free() -> None:
    assert shelf_for([], 12).budget == 12_000_000
    assert 10_000_000 < shelf_for([]).budget < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def test_a_model_is_loaded_once_and_again_when_its_files_change(folders: list[Path]) -> None:
    said: list[str] = []
    shelf = shelf_for(said)
    first = shelf.get(target(folders[0]))
    assert shelf.get(target(folders[0])) is first
    make_tiny_model(folders[0], seed=1)
    second = shelf.get(target(folders[0]))
    assert not first.model.lm_head.weight.equal(second.model.lm_head.weight)
    assert [line.split()[0] for line in said] == ["loaded", "evicted", "loaded"]


def test_a_deleted_model_is_dropped_and_refused(folders: list[Path]) -> None:
    shelf = shelf_for([])
    shelf.get(target(folders[0]))
    shutil.rmtree(folders[0])
    shelf.get(target(folders[1]))
    assert shelf.paths() == [str(folders[1])]
    with pytest.raises(NotFound, match="moved or deleted"):
        shelf.get(target(folders[0]))


def test_a_broken_model_is_refused_by_name(folders: list[Path]) -> None:
    weights = folders[0] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InvalidRequest, match=f"model '{folders[0]}' cannot be loaded"):
        shelf_for([]).get(target(folders[0]))


def test_a_changed_model_is_out_of_memory_before_the_next_is_loaded(folders: list[Path]) -> None:
    shelf = shelf_for([])
    gone = weakref.ref(shelf.get(target(folders[0])).model)
    shutil.rmtree(folders[0])
    gc.disable()  # the shelf's own collection must do
    try:
        shelf.get(target(folders[1]))
        assert gone() is None
    finally:
        gc.enable()
