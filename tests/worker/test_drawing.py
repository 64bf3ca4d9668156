"""Answers that are drawn while a model is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from modelforge.engine.engine import Engine
from modelforge.worker import drawing
from modelforge.worker.drawing import drawing_of, sample
from tests.compilers import needs_compiler
from tests.engine.models import make

pytestmark = needs_compiler

PROMPTS = [[7, 8, 9, 10], [5], [7, 8, 9, 10], [11, 12, 13, 14, 15, 16], [5], [7, 8, 9, 10]]


def padded(prompts: list[list[int]]) -> dict[str, torch.Tensor]:
    width = max(map(len, prompts))
    return {
        "input_ids": torch.tensor([[0] * (width - len(each)) + each for each in prompts]),
        "attention_mask": torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in prompts]),
    }


def settings(**more: Any) -> GenerationConfig:
    return GenerationConfig(max_new_tokens=12, pad_token_id=0, **{"eos_token_id": [2, 3], "do_sample": True, **more})


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gemma2", "phi3"])
def test_the_coldest_answers_are_those_of_generate(kind: str) -> None:
    model = make(kind).eval()
    expected = model.generate(**padded(PROMPTS), generation_config=settings(do_sample=False, eos_token_id=2))
    ends = int(expected[0, 8])  # comes early for some, and not for others
    expected = model.generate(**padded(PROMPTS), generation_config=settings(do_sample=False, eos_token_id=ends))
    found, _ = drawing_of(model)
    assert found is not None
    engine = Engine(model)
    calls: list[torch.Size] = []
    model.get_base_model().model.embed_tokens.register_forward_hook(lambda _, ids, out: calls.append(ids[0].shape))
    for _ in range(2):
        calls.clear()
        with engine.at_work(writing=True), found.instead(), torch.no_grad():
            got = model.generate(**padded(PROMPTS), generation_config=settings(temperature=1e-6, eos_token_id=[ends]))
        assert got.tolist() == expected.tolist()
        assert calls[0] == (3, 5)  # each prompt once, without its last token
    assert not got.is_inference()
    assert "generate" not in vars(model)


def test_one_that_came_to_its_end_takes_no_more_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("llama").eval()
    found, _ = drawing_of(model)
    assert found is not None
    script = iter([[4, 2, 4, 4, 4, 2], [4, 4, 2, 2], [9, 2], [2]])
    seen: list[int] = []

    def draw(logits: torch.Tensor, temperature: float) -> list[int]:
        seen.append(len(logits))
        return next(script)

    monkeypatch.setattr(drawing, "sample", draw)
    with found.instead():
        got = model.generate(**padded(PROMPTS), generation_config=settings())
    assert seen == [6, 4, 2, 1]
    # The rows of the cache: each prompt once, then those that came again. Of those that are left, the last moves up.
    answers = sorted(tuple(token for token in row[6:].tolist() if token) for row in got)
    assert answers == [(2,), (2,), (4, 2), (4, 2), (4, 4, 2), (4, 4, 9, 2)]


def test_prompts_are_read_without_dropout_and_training_goes_on() -> None:
    model = make("llama", lora_dropout=0.9)
    found, _ = drawing_of(model)
    assert found is not None
    drawn = []
    for _ in range(2):
        with found.instead(), torch.no_grad():
            drawn.append(model.generate(**padded(PROMPTS), generation_config=settings(temperature=1e-6)).tolist())
        assert model.training
    assert drawn[0] == drawn[1]


def test_logits_that_are_no_numbers_are_said_to_be() -> None:
    with pytest.raises(RuntimeError, match="no numbers"):
        sample(torch.tensor([[0.0, 1.0], [torch.nan, 1.0]]), 1.0)


def test_tokens_are_drawn_by_their_shares_and_the_generator() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf], [3.0, 0.0, 0.0, 0.0]])
    torch.manual_seed(0)
    drawn = torch.tensor([sample(logits, 2.0) for _ in range(4000)])
    for row in range(2):
        shares = torch.bincount(drawn[:, row], minlength=4) / 4000
        assert torch.allclose(shares, torch.softmax(logits[row] / 2, -1), atol=0.03)
    torch.manual_seed(0)
    assert sample(logits, 2.0) == drawn[0].tolist()


def test_a_model_that_it_is_not_for_keeps_its_own() -> None:
    assert drawing_of(make("cohere")) == (None, "there is none for models of the kind cohere")
    assert drawing_of(make("llama", use_dora=True)) == (None, "an adapter lies beside its weights")
    model = make("llama")
    found, _ = drawing_of(model)
    assert found is not None
    with pytest.raises(AssertionError, match="top_k"), found.instead():
        model.generate(**padded(PROMPTS), generation_config=settings(top_k=5))
