"""Adapters of every kind: what is saved is a plain adapter for the base as it was, and the base can be had back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.providers import PROVIDERS, adapter
from modelforge.tasks.base import Head
from tests.providers.test_quantization import logits, moved
from tests.tiny import make_tiny_tokenizer

PROVIDER = PROVIDERS.get("huggingface")
SPAN_TASK = "extractive-question-answering"


def spec_of(folder: Path, output: Path, earlier: Path | None = None, **fields: Any) -> RunSpec:
    own = {"lora_r": 4, **fields}
    config = TrainingConfig(task="text-generation", model_name=str(folder), dataset="d", bf16=False, fp16=False, **own)
    return RunSpec(
        job_id="train_x", name="made", created_at=now(), config=config, device="cpu", output_dir=str(output),
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        model=ModelRef(name="m", source="folder", path=str(folder), adapter=str(earlier) if earlier else None),
        modelforge_version="0",
    )  # fmt: skip


def base_of(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_a_start_that_changes_the_base_is_saved_as_a_plain_adapter(
    tiny_model: Path, tmp_path: Path, start: str
) -> None:
    import torch
    from peft import PeftModel

    from modelforge.worker.save import save_model
    from modelforge.worker.start import as_it_was

    untouched = logits(base_of(tiny_model))
    spec = spec_of(tiny_model, tmp_path / "models" / "made", init_lora_weights=start)
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    torch.testing.assert_close(logits(model), untouched, rtol=1e-4, atol=1e-4)
    adapter.keep_start(model, spec.config, tmp_path / "start")
    trained = logits(moved(model))
    assert not torch.allclose(trained, untouched, atol=1e-3)
    with as_it_was(model, tmp_path / "start", lambda: model):
        torch.testing.assert_close(logits(model), untouched, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits(model), trained)
    save_model(model, tokenizer, spec, {}, start=tmp_path / "start")
    plain = PeftModel.from_pretrained(base_of(tiny_model), spec.output_dir)
    assert plain.peft_config["default"].r == 8 and plain.peft_config["default"].init_lora_weights is True
    torch.testing.assert_close(logits(plain), trained, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "fields",
    [{"init_lora_weights": "gaussian"}, {"init_lora_weights": "orthogonal"}, {"use_rslora": True}, {"use_dora": True}],
)
def test_other_starts_change_nothing_at_first_and_can_be_turned_off(
    tiny_model: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    import torch

    from modelforge.worker.start import as_it_was

    untouched = logits(base_of(tiny_model))
    spec = spec_of(tiny_model, tmp_path / "models" / "made", **fields)
    model, _ = PROVIDER.load(spec, Head.CAUSAL)
    adapter.keep_start(model, spec.config, tmp_path / "start")
    assert not (tmp_path / "start").exists()
    if fields != {"init_lora_weights": "orthogonal"}:  # whose A and B cancel each other out but for rounding
        torch.testing.assert_close(logits(model), untouched)
    trained = logits(moved(model))
    with as_it_was(model, None, lambda: model):
        torch.testing.assert_close(logits(model), untouched)
    torch.testing.assert_close(logits(model), trained)


def test_what_an_earlier_adapter_made_is_what_the_run_started_from(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    from modelforge.worker.save import save_model
    from modelforge.worker.start import as_it_was

    first = spec_of(tiny_model, tmp_path / "models" / "first")
    model, tokenizer = PROVIDER.load(first, Head.CAUSAL)
    earlier = logits(moved(model))
    save_model(model, tokenizer, first, {})
    folder = Path(first.output_dir)
    model, _ = PROVIDER.load(spec_of(tiny_model, tmp_path / "models" / "second", folder), Head.CAUSAL)
    torch.testing.assert_close(logits(model), earlier)
    assert any(parameter.requires_grad for parameter in model.parameters())
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.mul_(2)
    later = logits(model)
    with as_it_was(model, folder, lambda: model):
        torch.testing.assert_close(logits(model), earlier)
    torch.testing.assert_close(logits(model), later)


def test_all_weights_change_places_with_those_of_the_start(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    from modelforge.worker.start import as_it_was

    spec = spec_of(tiny_model, tmp_path / "made", use_lora=False)
    model, _ = PROVIDER.load(spec, Head.CAUSAL)
    untouched = logits(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    trained = logits(model)
    with as_it_was(model, None, lambda: PROVIDER.load_start(spec, Head.CAUSAL)):
        torch.testing.assert_close(logits(model), untouched)
    torch.testing.assert_close(logits(model), trained)


def test_loraplus_learns_b_faster(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import TrainingArguments

    from modelforge.worker.trainers import OurTrainer

    model, _ = PROVIDER.load(spec_of(tiny_model, tmp_path / "made"), Head.CAUSAL)
    arguments = TrainingArguments(output_dir=str(tmp_path), learning_rate=1e-3, use_cpu=True, report_to="none")
    trainer = OurTrainer(model=model, args=arguments)
    trainer.loraplus_lr_ratio = 16
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in trainer.create_optimizer().param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(1.6e-2 if "lora_B" in names[id(parameter)] else 1e-3)


@pytest.mark.parametrize("start", ["pissa", "olora"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target_modules": ["q_proj", "embed_tokens"]}, "^init_lora_weights: .* of the kind Embedding"),
        ({"target_modules": ["q_proj", "lm_head"]}, "^init_lora_weights: .* share the weights of lm_head"),
        ({"lora_r": 17}, "^lora_r: .* 16 directions in the weights of .*k_proj, not 17"),
    ],
)
def test_a_start_that_could_not_be_undone_is_refused(
    tiny_model: Path, tmp_path: Path, start: str, fields: dict[str, Any], said: str
) -> None:
    spec = spec_of(tiny_model, tmp_path / "made", **{"init_lora_weights": start, **fields})
    model, _ = PROVIDER.load(spec, Head.CAUSAL)
    with pytest.raises(InvalidRequest, match=said):
        adapter.keep_start(model, spec.config, tmp_path / "start")


@pytest.mark.parametrize("start", ["default", "pissa", "olora"])
def test_a_span_models_head_is_saved_whole(tmp_path: Path, start: str) -> None:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from modelforge.tasks import TASKS
    from modelforge.worker.save import save_model

    config = BertConfig(
        vocab_size=500, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    make_tiny_tokenizer().save_pretrained(tmp_path / "bert")
    spec = spec_of(tmp_path / "bert", tmp_path / "models" / "made", init_lora_weights=start)
    spec = spec.model_copy(update={"config": spec.config.model_copy(update={"task": SPAN_TASK})})
    model, tokenizer = PROVIDER.load(spec, Head.SPAN)
    adapter.keep_start(model, spec.config, tmp_path / "start")
    moved(model)
    for name, parameter in model.named_parameters():
        if "qa_outputs.modules_to_save" in name:
            parameter.data.add_(0.1)
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8]]), "token_type_ids": torch.tensor([[0, 0, 1, 1]])}
    with torch.no_grad():
        expected = model.eval()(**inputs).start_logits
        other = model(**{**inputs, "token_type_ids": torch.zeros(1, 4, dtype=torch.long)}).start_logits
        assert not torch.allclose(expected, other, atol=1e-4)  # what tells the question from the context is heeded
        save_model(model, tokenizer, spec, {}, start=tmp_path / "start" if start != "default" else None)
        loaded = PROVIDER.load_trained(spec.output_dir, TASKS.get(SPAN_TASK), "cpu")
        torch.testing.assert_close(loaded.model(**inputs).start_logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fields", [{}, {"use_dora": True}, {"use_rslora": True}, {"init_lora_weights": "pissa"}])
def test_what_answers_has_its_adapter_in_its_weights(tiny_model: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    import torch
    from peft import PeftModel

    from modelforge.inference.shelf import Shelf
    from modelforge.worker.save import save_model
    from tests.inference.test_shelf import target

    spec = spec_of(tiny_model, tmp_path / "models" / "made", **fields)
    model, tokenizer = PROVIDER.load(spec, Head.CAUSAL)
    adapter.keep_start(model, spec.config, tmp_path / "start")
    trained = logits(moved(model))
    start = tmp_path / "start"
    save_model(model, tokenizer, spec, {}, start=start if start.exists() else None)
    loaded = Shelf("cpu", 0, lambda line: None).get(target(Path(spec.output_dir))).model
    assert not isinstance(loaded, PeftModel)
    torch.testing.assert_close(logits(loaded), trained, rtol=1e-4, atol=1e-4)


def test_an_adapter_on_shared_weights_stays_beside_them(tiny_model: Path) -> None:
    from peft import LoraConfig, get_peft_model

    tuned: Any = get_peft_model(
        base_of(tiny_model), LoraConfig(target_modules=["embed_tokens", "q_proj"], init_lora_weights=False)
    )
    before = logits(tuned)
    assert adapter.merged(tuned) is tuned
    assert logits(tuned).equal(before)
