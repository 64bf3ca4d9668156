"""Packed layers compute what plain ones do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from modelforge.inference.batch import Batch
from modelforge.inference.decoder import Decoder, trial
from modelforge.inference.packing import PackedLinear, Part, can_pack, pack, packed_bytes
from tests.inference.test_decoder import PROMPTS, VOCABULARY, build, run, turn

pytestmark = pytest.mark.skipif(
    not can_pack(torch.nn.Linear(1, 1).to(torch.bfloat16)), reason="this processor has no bfloat16 for oneDNN"
)


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2", "gpt-neox", "opt", "phi3", "gemma2"])
def test_a_packed_model_has_the_logits_of_the_plain_one(family: str) -> None:
    plain = build(family).to(torch.bfloat16)
    packed: Any = copy.deepcopy(plain)
    exact = copy.deepcopy(plain).float()
    pack(packed)
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    ids = torch.tensor([[n * 7 % VOCABULARY for n in range(30)]])
    with torch.inference_mode():
        ours, theirs, wanted = (
            model(input_ids=ids, use_cache=False).logits.float() for model in (packed, plain, exact)
        )
    assert (ours - wanted).norm() <= 1.1 * (theirs - wanted).norm()


def test_layers_with_one_input_are_one() -> None:
    model: Any = build("qwen2").to(torch.bfloat16)
    weights = sum(p.nbytes for name, p in model.named_parameters() if "proj.weight" in name or "lm_head" in name)
    pack(model)
    layer = model.model.layers[0]
    assert layer.self_attn.q_proj.whole is layer.self_attn.k_proj.whole is layer.self_attn.v_proj.whole
    assert layer.mlp.gate_proj.whole is layer.mlp.up_proj.whole
    assert isinstance(layer.mlp.down_proj, PackedLinear)
    assert not isinstance(layer.self_attn.o_proj, Part)
    assert packed_bytes(model) == weights
    assert not [name for name, _ in model.named_parameters() if "proj.weight" in name]


def test_a_packed_model_answers_alone_and_together_alike() -> None:
    model = build("llama").to(torch.bfloat16)
    decoder = Decoder(model)
    decoder.take_detour("its weights are packed")
    assert trial(decoder) is None
    batch = Batch(decoder, lambda size, evict: True)
    pack(model)
    alone = [run(batch, [turn(prompt)])[0] for prompt in PROMPTS]
    together = run(batch, [turn(prompt) for prompt in PROMPTS])
    # In bfloat16 a near tie may fall either way.
    assert sum(one == other for one, other in zip(alone, together, strict=True)) >= len(PROMPTS) - 1


def test_only_bfloat16_on_a_cpu_is_packed() -> None:
    model = build("llama")
    assert not can_pack(model)
    assert can_pack(model.to(torch.bfloat16))
