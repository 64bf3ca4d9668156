"""Training over 4-bit weights: an evaluation changes nothing, and what is saved is what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.providers import PROVIDERS
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head
from tests.tiny import make_tiny_model

PROVIDER = PROVIDERS.get("huggingface")
IDS = [[5, 9, 12, 40, 7, 33, 21, 8], [6, 9, 13, 41, 8, 34, 22, 9]]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose layers are of a size that bitsandbytes' CPU kernels take."""
    return make_tiny_model(tmp_path_factory.mktemp("wide") / "wide", hidden_size=64)


def spec_of(folder: Path, output: Path, **fields: Any) -> RunSpec:
    config = TrainingConfig(
        task="text-generation", model_name=str(folder), dataset="d", strategy="qlora", use_4bit=True, bf16=False,
        fp16=False, bnb_4bit_compute_dtype="float32", lora_dropout=0.0, max_seq_length=64, **fields,
    )  # fmt: skip
    return RunSpec(
        job_id="train_x", name="made", created_at=now(), config=config, device="cpu", output_dir=str(output),
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        model=ModelRef(name="m", source="folder", path=str(folder)), modelforge_version="0",
    )  # fmt: skip


def gradients(model: Any) -> dict[str, Any]:
    import torch

    ids = torch.tensor(IDS)
    model.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def logits(model: Any) -> Any:
    import torch

    model.eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS)).logits


def moved(model: Any) -> Any:
    """The model with an adapter that does something."""
    import torch

    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.05)
    return model


@pytest.mark.parametrize("nested", [False, True])
def test_an_evaluation_changes_no_gradient(wide: Path, tmp_path: Path, nested: bool) -> None:
    import torch

    model, _ = PROVIDER.load(spec_of(wide, tmp_path, use_nested_quant=nested), Head.CAUSAL)
    moved(model).train()
    before = gradients(model)
    logits(model)
    model.train()
    after = gradients(model)
    assert before.keys() == after.keys() and len(before) >= 14
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("nested", [False, True])
def test_what_is_saved_after_an_evaluation_is_what_was_trained(wide: Path, tmp_path: Path, nested: bool) -> None:
    import torch

    from modelforge.worker.save import save_model

    spec = spec_of(wide, tmp_path / "models" / "made", use_nested_quant=nested)
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    moved(model)
    expected = logits(model)
    save_model(model, tokenizer, spec, {})
    loaded = PROVIDER.load_trained(spec.output_dir, TASKS.get("text-generation"), "cpu")
    torch.testing.assert_close(logits(loaded.model), expected, rtol=1e-5, atol=1e-5)


def test_the_repack_that_breaks_gradients_is_off(wide: Path, tmp_path: Path) -> None:
    """What bitsandbytes would do in the first evaluation on a CPU with AVX512-BF16."""
    import bitsandbytes as bnb

    model, _ = PROVIDER.load(spec_of(wide, tmp_path), Head.CAUSAL)
    logits(model)
    layers = [module for module in model.modules() if isinstance(module, bnb.nn.Linear4bit)]
    assert len(layers) == 14
    assert not any(getattr(layer.weight.quant_state, "packing_format_for_cpu", False) for layer in layers)
    assert not bnb.nn.modules.has_avx512bf16()
