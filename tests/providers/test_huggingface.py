"""Models that are not what they seem are refused; what was trained is what is loaded again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.providers import PROVIDERS
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head
from tests.tiny import make_tiny_tokenizer

PROVIDER = PROVIDERS.get("huggingface")
TASK = TASKS.get("text-generation")


def spec_of(folder: Path, output: Path, adapter: Path | None = None, **fields: Any) -> RunSpec:
    config = TrainingConfig(
        task="text-generation", model_name=str(folder), dataset="d", bf16=False, fp16=False, **fields
    )
    return RunSpec(
        job_id="train_x", name="made", created_at=now(), config=config, device="cpu", output_dir=str(output),
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        model=ModelRef(name="m", source="folder", path=str(folder), adapter=str(adapter) if adapter else None),
        modelforge_version="0",
    )  # fmt: skip


def write(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    return folder


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=500, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    folder = write(tmp_path / "bert", BertForMaskedLM(config))
    with pytest.raises(InvalidRequest, match=r"is an encoder \(bert\), which does not generate"):
        PROVIDER.load_trained(str(folder), TASK, "cpu")


def test_missing_weights_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "short"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] += 1
    config.pop("layer_types", None)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidRequest, match=r"lacks .* of its weights"):
        PROVIDER.load_trained(str(folder), TASK, "cpu")


def test_all_weights_can_be_tuned_after_an_adapter(tiny_model: Path, tmp_path: Path) -> None:
    from modelforge.worker.save import save_model

    spec = spec_of(tiny_model, tmp_path / "models" / "first")
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    save_model(model, tokenizer, spec, {})
    spec = spec_of(tiny_model, tmp_path / "models" / "second", adapter=tmp_path / "models" / "first", use_lora=False)
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    assert all(parameter.requires_grad for parameter in model.parameters())
    save_model(model, tokenizer, spec, {})
    assert (tmp_path / "models" / "second" / "model.safetensors").is_file()


def test_names_that_differ_in_files_are_read_back(tmp_path: Path) -> None:
    """GPT-NeoX calls its head otherwise on the disk."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    from modelforge.worker.save import NotReadBack, _read_back, save_model

    config = GPTNeoXConfig(
        vocab_size=500, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    folder = write(tmp_path / "neox", GPTNeoXForCausalLM(config))
    spec = spec_of(folder, tmp_path / "models" / "made", use_lora=False)
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    save_model(model, tokenizer, spec, {})
    next(model.parameters()).data.add_(1)
    with pytest.raises(NotReadBack):
        _read_back(model, tmp_path / "models" / "made")


@pytest.mark.parametrize(("ratio", "total", "steps"), [(0.03, 1, 0), (0.03, 12, 0), (0.03, 100, 3), (1.0, 50, 50)])
def test_the_warm_up_is_the_share_of_the_steps(tmp_path: Path, ratio: float, total: int, steps: int) -> None:
    from modelforge.worker.train import training_arguments

    spec = spec_of(tmp_path, tmp_path, warmup_ratio=ratio)
    assert training_arguments(spec, spec.config, tmp_path, total, has_held_out=False)["warmup_steps"] == steps
