"""Tokens of our own decoding, against transformers' ``generate``, family by family."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import transformers
from transformers import GenerationConfig

from modelforge.inference.batch import Batch, Turn
from modelforge.inference.decoder import Decoder, refusal, trial
from modelforge.inference.sampling import Sampler

VOCABULARY = 120
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": 0,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {}),
    "qwen2": ("Qwen2Config", {}),
    "qwen2-sliding": ("Qwen2Config", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}),
    "qwen3": ("Qwen3Config", {"head_dim": 8}),
    "mistral": ("MistralConfig", {"sliding_window": None}),
    "mistral-sliding": ("MistralConfig", {"sliding_window": 8}),
    "mixtral": ("MixtralConfig", {"num_local_experts": 4}),
    "gemma": ("GemmaConfig", {"head_dim": 8}),
    "gemma2": ("Gemma2Config", {"head_dim": 8, "sliding_window": 8}),
    "gemma3": (
        "Gemma3TextConfig",
        {"head_dim": 8, "sliding_window": 8, "layer_types": ["sliding_attention"] * 3 + ["full_attention"]},
    ),
    "phi3": ("Phi3Config", {}),
    "stablelm": ("StableLmConfig", {}),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 256}),
    "gpt-neox": ("GPTNeoXConfig", {}),
    "opt": ("OPTConfig", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "falcon": ("FalconConfig", {"alibi": False}),
}
PROMPTS = [[(13 * place + 7 * row + 1) % VOCABULARY for place in range(n)] for row, n in enumerate((3, 40, 11, 24, 1))]
NEW = 24


def build(family: str) -> Any:
    kind, options = FAMILIES[family]
    config = getattr(transformers, kind)(**{**SMALL, **options})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return transformers.AutoModelForCausalLM.from_config(config).eval()


def generated(model: Any, prompt: list[int]) -> list[int]:
    ids = torch.tensor([prompt])
    settings = GenerationConfig(max_new_tokens=NEW, do_sample=False, pad_token_id=0)
    output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    new: list[int] = output[0, len(prompt) :].tolist()
    return new


def turn(prompt: list[int], longest: int = NEW) -> Turn:
    now = time.monotonic()
    greedy = Sampler(0, 1, None, torch.device("cpu"))
    return Turn(prompt, greedy, frozenset(), longest, now, now + 60, lambda: False)


def run(batch: Batch, turns: Sequence[Turn]) -> list[list[int]]:
    """Begin with each as soon as there is a place for it, and go on until all are over."""
    waiting = list(turns)
    while waiting or batch.running:
        if waiting and batch.admit(waiting[0]):
            waiting.pop(0)
        batch.step()
    return [turn.ids for turn in turns]


def make(model: Any) -> Batch:
    decoder = Decoder(model)
    assert refusal(model) is None
    assert trial(decoder) is None
    return Batch(decoder, lambda size, evict: True)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_says_what_generate_says_alone_and_together(family: str) -> None:
    model = build(family)
    expected = [generated(model, prompt) for prompt in PROMPTS]
    batch = make(model)
    assert run(batch, [turn(prompt) for prompt in PROMPTS]) == expected
    assert [run(batch, [turn(prompt)])[0] for prompt in PROMPTS] == expected
    assert len({tuple(ids) for ids in expected}) > 2  # the comparison sees something


def test_what_a_decoder_is_not_for_is_refused() -> None:
    small = {**SMALL, "num_hidden_layers": 2}
    bloom = transformers.BloomForCausalLM(transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_head=4))
    assert trial(Decoder(bloom.eval())) is not None  # its biases come from a mask of two dimensions
    neo = transformers.GPTNeoConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]]
    )
    assert refusal(transformers.GPTNeoForCausalLM(neo)) == "its cache is of a kind of its own"
    scaled = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**small, rope_parameters=scaled))
    assert refusal(llama) == "its positions depend on the length of the whole"
    mamba = transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2)
    )
    assert refusal(mamba) is not None


def test_a_model_under_an_adapter_is_decoded_with_it() -> None:
    from peft import LoraConfig, get_peft_model

    model: Any = get_peft_model(
        build("llama"), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    ).eval()
    expected = [generated(model, prompt) for prompt in PROMPTS]
    assert run(make(model), [turn(prompt) for prompt in PROMPTS]) == expected
    with model.disable_adapter():
        assert [generated(model, prompt) for prompt in PROMPTS] != expected
