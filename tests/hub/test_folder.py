"""What is refused of a model's folder before anything is queued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelforge.errors import InvalidRequest
from modelforge.hub.folder import check_folder, check_tokenizer, context_of

WHOLE: dict[str, Any] = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 64}


def made(folder: Path, config: Any, *files: str) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    for name in files:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("tokenizer", ["tokenizer.json", "tokenizer.model", "vocab.json"])
def test_a_whole_folder_is_let_through(tmp_path: Path, tokenizer: str) -> None:
    check_folder(made(tmp_path, WHOLE, "model.safetensors", tokenizer), "m", use_safetensors=True)


@pytest.mark.parametrize(
    ("config", "files", "said"),
    [
        ([], ["model.safetensors", "tokenizer.json"], "no readable config.json"),
        ({}, ["model.safetensors", "tokenizer.json"], "no model_type"),
        (WHOLE, ["pytorch_model.bin", "tokenizer.json"], "no safetensors"),
        (WHOLE, ["model.safetensors"], "has no tokenizer"),
    ],
)
def test_what_cannot_be_trained_is_refused(tmp_path: Path, config: Any, files: list[str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^model_name: .*{said}"):
        check_folder(made(tmp_path, config, *files), "m", use_safetensors=True)


def test_an_adapter_is_told_to_go_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InvalidRequest, match="is an adapter without its base model"):
        check_folder(tmp_path, "m", use_safetensors=True)


def test_the_playground_asks_for_a_tokenizer_too(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no tokenizer"):
        check_tokenizer(made(tmp_path, WHOLE, "model.safetensors"), "m")


@pytest.mark.parametrize(
    ("config", "context"),
    [
        (WHOLE, 64),
        ({"model_type": "gpt2", "n_positions": 32}, 32),
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "max_position_embeddings": 16}}, 16),
        ({"model_type": "bloom"}, None),
    ],
)
def test_the_context_is_read_where_each_kind_keeps_it(config: Any, context: int | None) -> None:
    assert context_of(config) == context


def test_pickled_weights_are_read_when_the_request_says_so(tmp_path: Path) -> None:
    folder = made(tmp_path, WHOLE, "pytorch_model.bin", "tokenizer.json")
    check_folder(folder, "m", use_safetensors=False)
    with pytest.raises(InvalidRequest, match="set use_safetensors to false"):
        check_folder(folder, "m", use_safetensors=True)
