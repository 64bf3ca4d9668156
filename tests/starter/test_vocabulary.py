"""No token is untrained: people fine-tune the starter on words of their own."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starter import tokenizer as vocabulary

# A row of the untrained embedding has a norm of about 0.02 times the root of the width.
INITIAL_NORM = 0.02 * 256**0.5
REPEATED = 0.9


def test_every_token_occurred_often_in_training(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    counts = json.loads((folder / "token_counts.json").read_text())
    assert len(counts) == len(tokenizer)
    assert min(counts) >= 50


def test_every_embedding_has_grown_from_its_start(model: LlamaForCausalLM) -> None:
    norms = model.model.embed_tokens.weight.detach().norm(dim=1)
    assert float(norms.min()) > 1.5 * INITIAL_NORM


def test_tokens_of_every_sort_can_be_repeated(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """The whole vocabulary in random order, 32 tokens at a time: each is predicted when the row comes a second time."""
    marks = len(vocabulary.SPECIALS)
    tokens = list(range(marks, len(tokenizer)))
    random.Random(0).shuffle(tokens)
    tokens += tokens[: -len(tokens) % 32]
    rows = torch.tensor(tokens).view(-1, 32)
    end = torch.full((len(rows), 1), int(vocabulary.number(tokenizer, vocabulary.END)))
    with torch.inference_mode():
        logits = model(input_ids=torch.cat([rows, end, rows], dim=1)).logits
    # The first token of the repeat opens it; from the second on the row before tells what comes.
    guesses = logits[:, 33:-1].argmax(dim=-1)
    assert float((guesses == rows[:, 1:]).float().mean()) >= REPEATED
