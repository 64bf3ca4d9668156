"""The engine learns what transformers and PEFT learn, whatever the family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from modelforge.engine import lowrank
from modelforge.engine.engine import Engine, refusal
from modelforge.engine.families import FAMILIES
from modelforge.engine.padded import told_of_rows
from tests.compilers import needs_compiler
from tests.engine.models import (
    OWN,
    SIZES,
    apart,
    by_engine,
    compute_anew,
    documents,
    end_to_end,
    gradient,
    make,
    one_by_one,
    with_adapter,
)


@pytest.fixture(params=[pytest.param("C++", marks=needs_compiler), "torch's operations"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How what adapters add is computed: matrices as they are, or stacked."""
    if request.param != "C++":
        monkeypatch.setattr(lowrank, "usable", lambda *_: False)


@pytest.mark.parametrize("kind", FAMILIES)
def test_gradients_are_those_of_one_document_at_a_time(kind: str) -> None:
    model, made = make(kind), documents()
    assert refusal(model) is None
    loss, wanted = one_by_one(model, made)
    engine = Engine(model)
    found_loss, found = by_engine(model, engine, made)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert apart(found, wanted) < 1e-5
    # Outside of its work the model is what it was.
    again, after = one_by_one(model, made)
    assert again == loss
    assert apart(after, wanted) < 1e-6


@pytest.mark.parametrize(
    ("kind", "own"), [("llama", "sdpa"), ("qwen3", "sdpa"), ("gemma2", "eager"), ("mistral", "sdpa")]
)
def test_attention_that_tells_documents_apart_by_positions(
    kind: str, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU has."""
    monkeypatch.setattr("modelforge.engine.engine._attention_on", lambda _, __, attention: attention)
    model, made = make(kind), documents()
    _, wanted = one_by_one(model, made)
    model.get_base_model().config._attn_implementation = own
    _, found = by_engine(model, Engine(model), made)
    assert apart(found, wanted) < 1e-5


@pytest.mark.parametrize("kind", ["llama", "gemma2", "phi3", "qwen2"])
@pytest.mark.usefixtures("way")
def test_bfloat16_is_as_near_as_it_can_be(kind: str) -> None:
    made = documents()
    _, wanted = one_by_one(make(kind), made)
    model = make(kind, dtype=torch.bfloat16)
    _, found = by_engine(model, Engine(model), made)
    assert apart(found, wanted) < 2e-2


@pytest.mark.parametrize(
    "lora",
    [
        {"target_modules": ["q_proj", "v_proj"]},
        {"target_modules": ["down_proj"], "use_rslora": True},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 4, "up_proj": 2}, "alpha_pattern": {"k_proj": 32}},
        {"target_modules": ["q_proj", "k_proj", "v_proj"], "layers_to_transform": [1]},
        {"init_lora_weights": "pissa"},
    ],
    ids=lambda lora: next(reversed(lora)),
)
@pytest.mark.usefixtures("way")
def test_adapters_of_every_kind(lora: dict[str, Any]) -> None:
    model, made = make("llama", **lora), documents()
    loss, wanted = one_by_one(model, made)
    found_loss, found = by_engine(model, Engine(model), made)
    assert found_loss == pytest.approx(loss, rel=1e-5)
    assert apart(found, wanted) < 1e-5


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_quantized_weights(nested: bool, dtype: torch.dtype, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import bitsandbytes

    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: False)
    config = AutoConfig.for_model("llama", **SIZES)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    model: Any = AutoModelForCausalLM.from_pretrained(
        tmp_path,
        dtype=dtype,
        attn_implementation="eager",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=nested,
        ),
    )
    model = with_adapter(model)
    made = documents()
    loss, wanted = one_by_one(model, made)
    found_loss, found = by_engine(model, Engine(model), made)
    near = 1e-5 if dtype is torch.float32 else 3e-2
    assert found_loss == pytest.approx(loss, rel=near)
    assert apart(found, wanted) < near


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_log_probabilities_of_padded_rows(kind: str) -> None:
    model, made = make(kind), documents((5, 40, 17, 33))
    width = max(len(ids) for ids, _ in made)
    ids, mask, labels = (torch.zeros(len(made), width, dtype=torch.int64) for _ in range(3))
    labels -= 100
    for row, (own, targets) in enumerate(made):
        at = width - len(own) if row % 2 else 0  # padded on either side
        ids[row, at : at + len(own)] = own
        mask[row, at : at + len(own)] = 1
        labels[row, at + 1 : at + len(own)] = targets[:-1]
    engine = Engine(model)
    weights = torch.randn(len(made), width - 1, generator=torch.Generator().manual_seed(0))
    with engine.at_work():
        told = told_of_rows(engine, ids, mask, labels, 50)
        (told.log_probs * weights).sum().backward()
    found = gradient(model)
    total = torch.zeros(())
    for row, (own, _) in enumerate(made):
        at = width - len(own) if row % 2 else 0
        logs = model(input_ids=own[None]).logits[0].float().log_softmax(-1)
        for place in range(len(own) - 1):
            label = int(labels[row, at + place + 1])
            here = row, at + place
            if label < 0:
                assert float(told.log_probs[here]) == float(told.entropy[here]) == 0.0
                continue
            assert float(told.log_probs[here]) == pytest.approx(float(logs[place, label]), abs=1e-4)
            assert float(told.entropy[here]) == pytest.approx(float(-(logs[place].exp() * logs[place]).sum()), abs=1e-4)
            assert bool(told.is_top1[here]) == (int(logs[place].argmax()) == label)
            total = total + logs[place, label] * weights[here]
    total.backward()
    assert apart(found, gradient(model)) < 1e-5


def test_with_the_adapter_off_it_is_the_base() -> None:
    model, made = make("llama"), documents()
    engine = Engine(model)
    with torch.no_grad(), engine.at_work():
        with model.disable_adapter():
            off, _, _ = engine.loss(end_to_end(made))
        on, _, learnt = engine.loss(end_to_end(made))
    base: Any = AutoModelForCausalLM.from_config(model.get_base_model().config, attn_implementation="eager")
    base.load_state_dict(
        {
            name.replace(".base_layer", ""): tensor
            for name, tensor in model.get_base_model().state_dict().items()
            if "lora_" not in name
        }
    )
    wanted = 0.0
    with torch.no_grad():
        for ids, targets in made:
            logits = base(input_ids=ids[None]).logits[0]
            wanted += float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
    assert float(off) == pytest.approx(wanted, rel=1e-5)
    assert abs(float(on) - float(off)) > 1e-3 * learnt


def test_the_last_feed_forward_part_reads_what_is_learnt_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made = make("llama"), documents()
    seen: list[list[int]] = []
    for layer in model.get_base_model().model.layers:
        layer.mlp.act_fn.register_forward_hook(lambda module, inputs, out: seen.append(list(inputs[0].shape)))
    # By torch's operations, which the hook can look into.
    monkeypatch.setattr("modelforge.engine.pointwise.usable", lambda _: False)
    engine = Engine(model)
    by_engine(model, engine, made)
    whole = sum(len(ids) for ids, _ in made)
    learnt = sum(int((targets >= 0).sum()) for _, targets in made)
    assert [shape[1] for shape in seen] == [whole, whole, learnt]


def test_activations_computed_anew_change_nothing() -> None:
    model, made = make("llama"), documents()
    _, wanted = by_engine(model, Engine(model), made)
    compute_anew(model)
    _, found = by_engine(model, Engine(model), made)
    assert apart(found, wanted) < 1e-6


@pytest.mark.usefixtures("way")
def test_activations_computed_anew_after_another_adapter_are_those_of_their_own() -> None:
    """As of dpo on an earlier adapter, which a frozen copy of it is held against between the passes."""
    model, made = make("llama"), documents()
    model.add_adapter("ref", LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", init_lora_weights=False))
    model.set_adapter("default")
    _, wanted = by_engine(model, Engine(model), made)
    compute_anew(model)
    engine = Engine(model)
    with engine.at_work():
        loss, _, learnt = engine.loss(end_to_end(made))
        with torch.no_grad():
            model.set_adapter("ref", inference_mode=True)
            engine.loss(end_to_end(made))
            model.set_adapter("default")
        (loss / learnt).backward()
    assert apart(gradient(model), wanted) < 1e-6


def test_dropout_is_drawn_by_the_generator_alone() -> None:
    model, made = make("llama", lora_dropout=0.5), documents()
    engine = Engine(model)
    torch.manual_seed(3)
    _, first = by_engine(model, engine, made)
    _, other = by_engine(model, engine, made)
    torch.manual_seed(3)
    _, again = by_engine(model, engine, made)
    assert torch.equal(first, again)
    assert apart(other, first) > 1e-2
    model.eval()
    _, without = by_engine(model, engine, made)
    assert apart(without, one_by_one(model, made)[1]) < 1e-5


def test_what_it_cannot_train_is_refused_with_the_reason() -> None:
    whole = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SIZES))
    assert "all weights" in str(refusal(whole))
    other = AutoConfig.for_model(
        "bloom", hidden_size=32, n_layer=1, n_head=2, vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=2
    )
    model = get_peft_model(AutoModelForCausalLM.from_config(other), LoraConfig(task_type="CAUSAL_LM"))
    assert "bloom" in str(refusal(model))
    assert "output layer" in str(refusal(make("llama", target_modules=["q_proj", "lm_head"])))
    assert "output layer" in str(refusal(make("llama", modules_to_save=["lm_head"])))
    assert set(OWN) <= set(FAMILIES)


def test_a_row_of_nothing_to_learn_has_no_loss() -> None:
    model = make("llama")
    engine = Engine(model)
    with engine.at_work():
        loss, right, learnt = engine.loss(end_to_end([(ids, targets.fill_(-100)) for ids, targets in documents((9,))]))
    assert float(loss) == 0.0
    assert int(right) == learnt == 0
    loss.backward()
    assert float(gradient(model).abs().sum()) == 0.0
