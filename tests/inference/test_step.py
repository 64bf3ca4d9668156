"""Tokens of step.cpp against transformers' own forward pass, family by family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers

from modelforge import native
from modelforge.inference import step
from modelforge.inference.decoder import Decoder, trial
from modelforge.inference.half import halve
from modelforge.inference.shelf import Shelf
from tests.compilers import needs_compiler
from tests.inference.test_decoder import FAMILIES, NEW, PROMPTS, SMALL, VOCABULARY, generated, make, run, turn
from tests.inference.test_shelf import target

pytestmark = needs_compiler

ODD: dict[str, Any] = {"hidden_size": 60, "intermediate_size": 77, "num_attention_heads": 6, "num_key_value_heads": 3}
"""Sizes that are multiples of no vector's length; a head has 10."""
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        name: FAMILIES[name]
        for name in (
            "llama", "qwen2", "qwen2-sliding", "qwen3", "mistral", "mistral-sliding", "gemma", "gemma2", "gemma3",
            "phi3",
        )
    },
    "llama-odd": ("LlamaConfig", {**ODD, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True}),
    "llama-16": ("LlamaConfig", {"hidden_size": 64, "num_key_value_heads": 1}),
    "llama-80": ("LlamaConfig", {"hidden_size": 320, "initializer_range": 0.05}),
    "llama3-scaling": (
        "LlamaConfig",
        {
            "rope_parameters": {
                "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
            }
        },
    ),
    "qwen2-yarn": (
        "Qwen2Config",
        {
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64
            }
        },
    ),
    "gemma3-odd": ("Gemma3TextConfig", {**ODD, "head_dim": 22, "sliding_window": 5, "query_pre_attn_scalar": 7}),
    "phi3-part": ("Phi3Config", {"hidden_size": 72, "sliding_window": 8, "partial_rotary_factor": 0.5}),
    "granite": (
        "GraniteConfig",
        {"embedding_multiplier": 3.0, "residual_multiplier": 0.5, "attention_multiplier": 0.2, "logits_scaling": 2.0},
    ),
    "smollm3": ("SmolLM3Config", {"no_rope_layer_interval": 2}),
    "olmo2": ("Olmo2Config", {}),
}  # fmt: skip
LENGTHS = (3, 40, 11, 24, 1, 30, 9, 17, 33, 2)
"""Of rows that hold so many tokens: more than one tile of rows, most of them longer than the windows."""


def build(case: str, dtype: torch.dtype) -> Any:
    kind, options = CASES[case]
    config = getattr(transformers, kind)(**{**SMALL, **options})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for name, parameter in model.named_parameters():
            if "norm" in name or "bias" in name:  # ones and zeros would hide what is done with them
                torch.nn.init.normal_(parameter, 0.0 if "gemma" in case or "bias" in name else 1.0, 0.3)
    return model.to(dtype).eval()


def rows(decoder: Decoder, lengths: tuple[int, ...]) -> list[list[int]]:
    """Sequences of a token more than the decoder has taken in."""
    ids = [[(13 * place + 7 * row + 1) % VOCABULARY for place in range(n + 2)] for row, n in enumerate(lengths)]
    for row, (sequence, length) in enumerate(zip(ids, lengths, strict=True)):
        decoder.read(row, [0], [sequence[:length]])
    return ids


@torch.inference_mode()
def logits(model: Any, ids: list[int]) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float()
    return found


def difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    """As a share of the largest."""
    return float((got - expected).abs().max() / expected.abs().max())


def stepping(model: Any) -> Decoder:
    decoder = Decoder(model)
    assert decoder.detour is None
    return decoder


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_rows_of_unequal_length_have_the_logits_of_a_plain_pass(case: str) -> None:
    model = build(case, torch.float32)
    decoder = stepping(model)
    decoder.slots.resize(len(LENGTHS), 44)
    ids = rows(decoder, LENGTHS)
    for count in (10, 8, 3, 1):  # again and again: a row's next token replaces what was there
        got = decoder.step([row[length] for row, length in zip(ids, LENGTHS[:count], strict=False)], [*LENGTHS[:count]])
        for row in range(count):
            assert difference(got[row], logits(model, ids[row][:-1])) < 1e-5
    decoder.slots.resize(12, 80)
    got = decoder.step([row[-1] for row in ids], [length + 1 for length in LENGTHS])
    for row in range(len(LENGTHS)):
        assert difference(got[row], logits(model, ids[row])) < 1e-5


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_in_bfloat16_it_is_as_near_to_the_exact_logits_as_a_plain_pass(case: str) -> None:
    model = build(case, torch.bfloat16)
    decoder = stepping(model)
    decoder.slots.resize(len(LENGTHS), 44)
    ids = rows(decoder, LENGTHS)
    ours = decoder.step([row[length] for row, length in zip(ids, LENGTHS, strict=True)], [*LENGTHS])
    theirs = torch.stack([logits(model, row[:-1]) for row in ids])
    exact = torch.stack([logits(model.float(), row[:-1]) for row in ids])
    assert (ours - exact).norm() <= 1.1 * (theirs - exact).norm()


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_weights_in_bfloat16_are_computed_with_in_float32(case: str) -> None:
    model, exact = build(case, torch.float32), build(case, torch.float32)
    for parameters in zip(model.parameters(), exact.parameters(), strict=True):
        half = parameters[0].bfloat16()
        parameters[0].data, parameters[1].data = half, half.float()
    halve(model)
    assert {plain.weight.dtype for plain in model.modules() if "Linear" in type(plain).__name__} == {torch.bfloat16}
    assert difference(logits(model, [1, 2, 3]), logits(exact, [1, 2, 3])) < 1e-5
    decoder = stepping(model)
    decoder.slots.resize(len(LENGTHS), 44)
    ids = rows(decoder, LENGTHS)
    got = decoder.step([row[length] for row, length in zip(ids, LENGTHS, strict=True)], [*LENGTHS])
    for row in range(len(LENGTHS)):
        assert difference(got[row], logits(exact, ids[row][:-1])) < 1e-5


@pytest.mark.parametrize("weights", ["float32", "bfloat16", "half"])
@pytest.mark.parametrize(
    ("case", "lora"),
    [
        ("llama", {"r": 16}),
        ("llama-odd", {"r": 3, "use_rslora": True}),
        ("qwen3", {"r": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}),
        ("gemma2", {"r": 20, "rank_pattern": {"k_proj": 5, "gate_proj": 8}}),
        ("phi3", {"r": 4}),
    ],
)
@torch.inference_mode()
def test_an_adapter_beside_the_weights_is_added(case: str, lora: dict[str, Any], weights: str) -> None:
    model = build(case, torch.float32 if weights == "float32" else torch.bfloat16)
    assert step.refusal(model, adapters=True) is None
    with torch.inference_mode(mode=False):
        tuned: Any = peft.get_peft_model(
            model, peft.LoraConfig(**{"target_modules": "all-linear", "task_type": "CAUSAL_LM", **lora})
        ).eval()
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                parameter.data = 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    if weights == "half":
        halve(tuned)
    assert step.refusal(model) == "an adapter lies beside its weights"
    decoder = Decoder(tuned, adapters=True)
    assert decoder.detour is None
    decoder.slots.resize(len(LENGTHS), 44)
    whole = torch.zeros(())
    for change in (1.0, 3.0):  # what it has learnt since is taken in when that is told
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.data.mul_(change)
        decoder.renew()
        ids = rows(decoder, LENGTHS)
        ours = decoder.step([row[length] for row, length in zip(ids, LENGTHS, strict=True)], [*LENGTHS])
        theirs = torch.stack([logits(tuned, row[:-1]) for row in ids])
        whole = ours if change == 1.0 else whole
        assert difference(ours, theirs) < (5e-2 if weights == "bfloat16" else 1e-5)
    assert difference(ours, whole) > 0.1


@pytest.mark.parametrize("case", CASES)
def test_a_text_is_what_generate_says(case: str) -> None:
    model = build(case, torch.float32)
    expected = [generated(model, prompt) for prompt in PROMPTS]
    assert run(make(model), [turn(prompt) for prompt in PROMPTS]) == expected
    assert len({tuple(ids) for ids in expected}) > 2  # the comparison sees something


def test_the_layers_are_not_called_for_the_tokens_of_an_answer() -> None:
    model = build("llama", torch.float32)
    batch = make(model)
    calls: list[int] = []
    model.model.layers[0].register_forward_hook(lambda _, inputs, output: calls.append(inputs[0].shape[1]))
    run(batch, [turn([5, 6, 7])])
    assert calls == [3]
    assert NEW > 1


def test_weights_are_not_in_memory_twice(tiny_model: Path) -> None:
    loaded = Shelf("cpu", 0, lambda line: None).get(target(tiny_model))
    model: Any = loaded.model
    assert loaded.batch is not None
    assert {type(layer) for layer in model.modules() if "Linear" in type(layer).__name__} == {torch.nn.Linear}
    kept = stepping(model)._step
    assert kept is not None
    own = {weight.data_ptr() for weight in model.parameters()}
    assert sum(each.nbytes for each in kept._kept if each.data_ptr() not in own) < 0.02 * loaded.size


@torch.inference_mode()
def test_any_number_of_threads_says_the_same() -> None:
    model = build("llama-odd", torch.float32)
    decoder = stepping(model)
    decoder.slots.resize(len(LENGTHS), 44)
    ids = rows(decoder, LENGTHS)
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            found.append(decoder.step([row[-2] for row in ids], [*LENGTHS]))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(each, found[0]) for each in found)


@torch.inference_mode()
def test_tokens_that_the_cache_has_no_place_for_are_refused() -> None:
    decoder = stepping(build("llama", torch.float32))
    decoder.slots.resize(2, 8)
    rows(decoder, (3, 4))
    for lengths in ([3, 8], [3, 4, 5], [-1]):
        with pytest.raises(IndexError, match="are no rows of a cache of 2 × 8"):
            decoder.step([1] * len(lengths), lengths)


@pytest.mark.parametrize("family", ["gpt2", "mixtral", "stablelm"])
def test_a_family_that_is_not_described_goes_through_its_own_layers(family: str) -> None:
    kind, options = FAMILIES[family]
    config = getattr(transformers, kind)(**{**SMALL, **options})
    decoder = Decoder(transformers.AutoModelForCausalLM.from_config(config).eval())
    assert decoder.detour == f"there is none for models of the kind {config.model_type}"
    assert trial(decoder) is None


def test_what_a_step_is_not_for_is_refused() -> None:
    half = build("llama", torch.float16)
    assert step.refusal(half) == "its weights are float16"
    other = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**SMALL, "hidden_act": "relu"}))
    assert step.refusal(other) == "its activation is relu"


def test_without_a_compiler_the_layers_answer_and_the_shelf_says_so(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.setattr(step, "code", lambda source: native.Code(None, "there is no C++ compiler"))
    said: list[str] = []
    shelf = Shelf("cpu", 0, said.append)
    batch = shelf.get(target(tiny_model)).batch
    assert batch is not None
    assert f"{tiny_model} goes through transformers' layers for each token: there is no C++ compiler" in said
    model = build("llama", torch.float32)
    assert run(make(model), [turn(PROMPTS[0])]) == [generated(model, PROMPTS[0])]


def test_a_step_that_differs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(step.FAMILIES, "llama", step.Family(factors=lambda _: (2.0, 1.0)))
    model = build("llama", torch.float32)
    decoder = Decoder(model)
    assert decoder.detour is None
    assert trial(decoder) is None
    assert decoder.detour is not None
    assert decoder.detour.startswith("its logits differ by")
    assert run(make(model), [turn(PROMPTS[0])]) == [generated(model, PROMPTS[0])]
