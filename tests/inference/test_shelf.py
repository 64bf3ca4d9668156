"""Which models stay loaded."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from modelforge.contracts.job import RunSpec
from modelforge.contracts.playground import GenerateRequest
from modelforge.errors import InvalidRequest, NotFound
from modelforge.inference import shelf as shelf_module
from modelforge.inference import step
from modelforge.inference.engine import answer
from modelforge.inference.half import is_half
from modelforge.inference.protocol import ModelTarget
from modelforge.inference.shelf import Shelf
from modelforge.providers import PROVIDERS, huggingface
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head
from modelforge.worker.checkpoints import TRAINED
from modelforge.worker.save import save_model
from tests.compilers import needs_compiler
from tests.providers.test_adapter import spec_of
from tests.providers.test_quantization import logits, moved
from tests.providers.test_quantization import spec_of as quantized
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
    assert shelf_for([]).get(target(tiny_model)).size == pytest.approx(bytes_of(tiny_model), rel=0.01)


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


@pytest.fixture
def slow_at_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (shelf_module, huggingface):
        monkeypatch.setattr(module, "cpu_has_fast_bf16", lambda: False)


def in_bfloat16(model: Path) -> Path:
    AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).save_pretrained(model)
    return model


def tuned_on(model: Path, output: Path, **fields: Any) -> Path:
    """The folder of a run whose adapter has changed much."""
    spec = spec_of(model, output, **fields)
    tuned, tokenizer = PROVIDERS.get("huggingface").load(spec, Head.CAUSAL)
    save_model(moved(tuned), tokenizer, spec, {})
    return Path(spec.output_dir)


def exact(model: Path, adapter: Path | None = None) -> torch.Tensor:
    plain: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    return logits(plain if adapter is None else PeftModel.from_pretrained(plain, adapter))


@needs_compiler
@pytest.mark.usefixtures("slow_at_bfloat16")
def test_weights_stay_in_bfloat16_and_answer_in_float32(folders: list[Path], tmp_path: Path) -> None:
    whole = shelf_for([]).get(target(folders[0])).size
    model = in_bfloat16(folders[1])
    said: list[str] = []
    loaded = shelf_for(said).get(target(model))
    assert is_half(loaded.model)
    assert loaded.size == pytest.approx(whole / 2, rel=0.02)  # of norms
    assert loaded.size == pytest.approx(bytes_of(model), rel=0.02)
    torch.testing.assert_close(logits(loaded.model), exact(model), rtol=1e-5, atol=1e-5)
    assert not any("layers" in line for line in said)  # each token goes through step.cpp

    tuned = tuned_on(model, tmp_path / "tuned")
    loaded = shelf_for(said).get(target(tuned))
    assert is_half(loaded.model)
    assert loaded.weights == pytest.approx(bytes_of(tuned), abs=4096)  # the header of the file
    torch.testing.assert_close(logits(loaded.model), exact(model, tuned), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(loaded.model), exact(model), atol=1e-2)
    assert not any("layers" in line for line in said)


@needs_compiler
@pytest.mark.usefixtures("slow_at_bfloat16")
@pytest.mark.parametrize("fields", [{"use_dora": True}, {"lora_r": 32}])
def test_an_adapter_that_had_better_be_merged_is(folders: list[Path], tmp_path: Path, fields: dict[str, Any]) -> None:
    model = in_bfloat16(folders[0])
    tuned = tuned_on(model, tmp_path / "tuned", **fields)
    loaded = shelf_for([]).get(target(tuned)).model
    assert not hasattr(loaded, "peft_config")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(logits(loaded), exact(model, tuned), rtol=1e-4, atol=1e-4)


@needs_compiler
@pytest.mark.usefixtures("slow_at_bfloat16")
def test_a_model_that_goes_through_its_layers_is_widened_once(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = in_bfloat16(folders[0])
    monkeypatch.setitem(step.FAMILIES, "llama", step.Family(factors=lambda _: (2.0, 1.0)))  # the trial sees to it
    said: list[str] = []
    loaded = shelf_for(said).get(target(model))
    assert any("goes through transformers' layers for each token: its logits differ" in line for line in said)
    kinds = {tensor.dtype for tensor in [*loaded.model.parameters(), *loaded.model.buffers()]}
    assert kinds == {torch.float32}
    torch.testing.assert_close(logits(loaded.model), exact(model), rtol=1e-5, atol=1e-5)


def base_of(folder: Path) -> ModelTarget:
    return target(folder).model_copy(update={"base": True})


def test_what_a_model_was_trained_from_is_loaded_beside_it(folders: list[Path], tmp_path: Path) -> None:
    shelf = shelf_for([])
    tuned = tuned_on(folders[0], tmp_path / "tuned")
    before = shelf.get(base_of(tuned))
    torch.testing.assert_close(logits(before.model), exact(folders[0]), rtol=1e-5, atol=1e-5)
    assert before.spec is not None and before.spec.name == "made"  # its format
    after = shelf.get(target(tuned))
    torch.testing.assert_close(logits(after.model), exact(folders[0], tuned), rtol=1e-5, atol=1e-5)
    assert shelf.get(base_of(tuned)) is before and shelf.holds(base_of(tuned), before)
    assert not shelf.holds(target(tuned), before)
    # What went on training that adapter started from both.
    again = tuned_on(folders[0], tmp_path / "again")
    spec = RunSpec.model_validate_json((again / "spec.json").read_text())
    spec.model.adapter = str(tuned)
    (again / "spec.json").write_text(spec.model_dump_json())
    torch.testing.assert_close(logits(shelf.get(base_of(again)).model), logits(after.model), rtol=1e-5, atol=1e-5)
    shelf.evict(str(tuned))
    assert shelf.paths() == [str(again)]


def test_weights_that_an_adapter_lies_beside_answer_without_it(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "wide", hidden_size=64)
    spec = quantized(model, tmp_path / "tuned")
    loaded, tokenizer = PROVIDERS.get("huggingface").load(spec, Head.CAUSAL)
    plain = logits(loaded)
    save_model(moved(loaded), tokenizer, spec, {})
    tuned = Path(spec.output_dir)
    shelf = shelf_for([])
    before, after = shelf.get(base_of(tuned)), shelf.get(target(tuned))
    assert before.model is after.model and shelf.paths() == [str(tuned)]
    request = GenerateRequest(model_id=1, prompt="Say hello.", temperature=0, max_new_tokens=12)
    said = [answer(each, target(tuned), request, 60, lambda: False).generated_text for each in (before, after, before)]
    assert said[0] == said[2] != said[1]
    with before.model.disable_adapter():
        torch.testing.assert_close(logits(before.model), plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fields", [{}, {"use_lora": False}, {"init_lora_weights": "pissa"}])
def test_a_checkpoint_is_the_model_as_it_was_then(folders: list[Path], tmp_path: Path, fields: dict[str, Any]) -> None:
    run = tmp_path / "runs" / "train_1"
    folder = run / "checkpoints" / "checkpoint-7"
    folder.mkdir(parents=True)
    spec = spec_of(folders[0], tmp_path / "unfinished", **fields)
    (run / "spec.json").write_text(spec.model_dump_json())
    tuned, _ = PROVIDERS.get("huggingface").load(spec, Head.CAUSAL)
    moved(tuned)
    with torch.no_grad():
        next(each for each in tuned.parameters() if each.requires_grad).add_(0.01)
    trained = {name: each.detach().contiguous() for name, each in tuned.named_parameters() if each.requires_grad}
    save_file(trained, folder / TRAINED)
    shelf = shelf_for([])
    asked = target(run).model_copy(update={"checkpoint": str(folder)})
    loaded = shelf.get(asked)
    torch.testing.assert_close(logits(loaded.model), logits(tuned), rtol=1e-4, atol=1e-4)
    assert loaded.batch is not None and loaded.size < 1.2 * shelf.get(target(folders[0])).size
    torch.testing.assert_close(logits(shelf.get(base_of(run)).model), exact(folders[0]), rtol=1e-5, atol=1e-5)
    shutil.rmtree(folder)
    with pytest.raises(NotFound, match="checkpoint-7"):
        shelf.get(asked)


def bytes_of(folder: Path) -> int:
    """As it is known before it is loaded."""
    return PROVIDERS.get("huggingface").trained_bytes(str(folder), TASKS.get("text-generation"), "cpu")
