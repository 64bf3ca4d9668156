"""Answers to several prompts at once, the likeliest token each time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from modelforge.tasks.base import Head

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def generate_batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]],
    head: Head,
    max_new_tokens: int,
    end_ids: Collection[int],
    *,
    seconds: float | None = None,
) -> list[list[int]]:
    """The new tokens after each prompt, without the end token: those that a causal model goes on with, or that an
    encoder-decoder model writes about it. All prompts go through the model together; none may be empty.
    After so many ``seconds`` all end with what there is.

    Does not change the model: evaluation mode is the caller's affair.
    """
    import torch  # noqa: PLC0415 - of the training stack
    from transformers import GenerationConfig  # noqa: PLC0415

    ends = sorted(end_ids)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (ends[0] if ends else 0)
    width = max(map(len, prompts))
    # A causal model goes on after the last place, so what is padded must be before; an encoder is used to the rest.
    left = head is Head.CAUSAL
    ids, mask = [], []
    for prompt in prompts:
        padding = width - len(prompt)
        before, after = (padding, 0) if left else (0, padding)
        ids.append([pad] * before + prompt + [pad] * after)
        mask.append([0] * before + [1] * len(prompt) + [0] * after)
    generator: Any = model
    with torch.no_grad():
        output = generator.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            # What is not said here comes from the model's own generation_config.json: the token that starts an answer.
            # What that says of style (BART's: four beams, at least 56 tokens) was for its first data, not for this.
            generation_config=GenerationConfig(
                max_new_tokens=max_new_tokens,
                max_time=seconds,
                do_sample=False,
                num_beams=1,
                min_length=0,
                no_repeat_ngram_size=0,
                encoder_no_repeat_ngram_size=0,
                repetition_penalty=1.0,
                eos_token_id=ends or None,
                pad_token_id=pad,
            ),
        )
    # An encoder-decoder model gives back its decoder's start token, a causal one the prompt.
    start = width if left else 1
    return [_until(row[start:], ends) for row in output.tolist()]


def _until(ids: list[int], ends: Collection[int]) -> list[int]:
    at = next((at for at, token in enumerate(ids) if token in ends), len(ids))
    return ids[:at]
