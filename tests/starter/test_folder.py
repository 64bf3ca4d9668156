"""The bundled folder: complete, small, and what its card says it is."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starter.card import render
from starter.corpus.mixture import KINDS

CONTENTS = {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "token_counts.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "training.json",
}


def test_the_folder_is_complete_and_small(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == CONTENTS
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 16_000_000


def test_the_model_is_a_small_llama_with_tied_embeddings(model: LlamaForCausalLM) -> None:
    assert 3_000_000 <= model.num_parameters() <= 8_000_000
    assert model.config.tie_word_embeddings
    assert model.config.max_position_embeddings == 1024


def test_generation_stops_at_the_end_token(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    settings = model.generation_config
    assert settings is not None
    assert settings.eos_token_id == tokenizer.eos_token_id
    assert settings.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_card_is_what_the_script_writes_from_the_figures(folder: Path) -> None:
    figures = json.loads((folder / "training.json").read_text())
    assert set(figures["exact_match"]) == set(KINDS)
    assert (folder / "README.md").read_text() == render(folder, figures)
