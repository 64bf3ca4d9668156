"""Drawing answers to learn from."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from modelforge.worker.policy import reading_once
from tests.engine.models import make


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_prompt_is_read_once_for_all_its_answers(family: str) -> None:
    model: Any = make(family)
    model.eval()
    prompts = torch.tensor([[0, 5, 6, 7]] * 3 + [[8, 9, 10, 11]] * 3)
    mask = torch.tensor([[0, 1, 1, 1]] * 3 + [[1, 1, 1, 1]] * 3)
    read: list[int] = []
    model.get_input_embeddings().register_forward_hook(lambda _, inputs, __: read.append(inputs[0].numel()))

    def drawn() -> torch.Tensor:
        torch.manual_seed(0)
        options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": True, "pad_token_id": 0}
        found: torch.Tensor = model.generate(input_ids=prompts, attention_mask=mask, **options)
        return found

    with torch.no_grad():
        wanted = drawn()
        assert read[0] == 6 * 4
        read.clear()
        with reading_once(model):
            found = drawn()
    assert torch.equal(found, wanted)
    assert read[:2] == [2 * 3, 6]
    assert "generate" not in vars(model)
