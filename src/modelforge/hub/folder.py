"""What a model's folder says of itself, without loading it: enough to refuse early what no worker could train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelforge.errors import InvalidRequest
from modelforge.files import read_json_or_none

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "vocab.json",
    "vocab.txt",
)
"""Any of them may be all that a tokenizer is made from."""


def check_folder(folder: Path, name: str, *, use_safetensors: bool) -> None:
    """Raises InvalidRequest where the folder holds no model with weights and a tokenizer."""
    config = read_json_or_none(folder / "config.json")
    if config is None and (folder / "adapter_config.json").is_file():
        raise InvalidRequest(
            f"model_name: {name} is an adapter without its base model; one that was trained here goes by its name in "
            "GET /api/models"
        )
    if not isinstance(config, dict):
        raise InvalidRequest(f"model_name: {name} has no readable config.json, so it is not a model's folder")
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise InvalidRequest(f"model_name: the config.json of {name} has no model_type, so nobody knows what it is")
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin"))
        if use_safetensors or not pickled:
            more = "; set use_safetensors to false if you trust where they come from" if pickled else ""
            raise InvalidRequest(
                f"model_name: {name} holds no safetensors weights; other formats can run code when read{more}"
            )
    check_tokenizer(folder, name)


def check_tokenizer(folder: Path, name: str) -> None:
    """Raises InvalidRequest where there is nothing that a tokenizer could be made from."""
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise InvalidRequest(
            f"model_name: {name} has no tokenizer: save it there too (tokenizer.json and tokenizer_config.json)"
        )


def context_of(config: Mapping[str, Any]) -> int | None:
    """Tokens that a model has positions for, by its ``config.json``; None where that doesn't say."""
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    limits = [text.get(name) for name in ("max_position_embeddings", "n_positions")]
    return next((limit for limit in limits if isinstance(limit, int)), None)
