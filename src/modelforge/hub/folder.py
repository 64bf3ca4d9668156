"""What a model's folder says of itself, without loading it: enough to refuse early what no worker could train."""

from __future__ import annotations

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

EXACT_PACKING = frozenset(
    """llama qwen2 qwen3 mistral gemma gemma3_text phi phi3 gpt_neox gpt2 mixtral smollm3 olmo2 granite stablelm
    cohere""".split()  # noqa: SIM905 - a list of sixteen lines says no more
)
"""Model types whose packed rows don't see each other. The worker measured them and has the same list: a test holds
the two together."""


def check_folder(folder: Path, name: str) -> None:
    """Raises InvalidRequest where the folder holds no causal language model with safetensors and a tokenizer."""
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
    if config.get("is_encoder_decoder"):
        raise InvalidRequest(
            f"model_name: {name} is an encoder-decoder model ({kind}); text-generation needs a causal one"
        )
    architectures = config.get("architectures")
    if isinstance(architectures, list) and not config.get("is_decoder"):
        masked = [each for each in architectures if isinstance(each, str) and each.endswith("ForMaskedLM")]
        if masked and len(masked) == len(architectures):
            raise InvalidRequest(
                f"model_name: {name} is an encoder ({masked[0]}), which does not generate text from left to right; "
                "text-generation needs a causal model"
            )
    if not any(folder.glob("*.safetensors")):
        raise InvalidRequest(f"model_name: {name} holds no safetensors weights; other formats can run code when read")
    check_tokenizer(folder, name)


def check_tokenizer(folder: Path, name: str) -> None:
    """Raises InvalidRequest where there is nothing that a tokenizer could be made from."""
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise InvalidRequest(
            f"model_name: {name} has no tokenizer: save it there too (tokenizer.json and tokenizer_config.json)"
        )


def context_of(folder: Path) -> int | None:
    """Tokens that the model has positions for; None where its configuration doesn't say."""
    config = _text_config(folder)
    limits = [config.get(name) for name in ("max_position_embeddings", "n_positions")]
    return next((limit for limit in limits if isinstance(limit, int)), None)


def check_packing(folder: Path, name: str) -> None:
    """Raises InvalidRequest for a model whose rows would see each other when they are laid end to end."""
    kind = _text_config(folder).get("model_type")
    if kind is not None and kind not in EXACT_PACKING:
        raise InvalidRequest(
            f"packing: rows of '{name}', a {kind} model, would see each other when they are laid end to end; leave "
            "packing out"
        )


def _text_config(folder: Path) -> dict[str, Any]:
    """The configuration of the language model, which models of several kinds of input keep one level down."""
    config = read_json_or_none(folder / "config.json")
    if not isinstance(config, dict):
        return {}
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config
