"""The bundled starter model, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starter.evaluate import load

ASSETS = Path(__file__).parents[2] / "src" / "modelforge" / "assets"


@pytest.fixture(scope="session")
def folder() -> Path:
    """Where the bundled model lies."""
    return ASSETS / "modelforge-starter"


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Where the demo's data lies."""
    return ASSETS / "datasets"


@pytest.fixture(scope="session")
def loaded(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model in float32 and its tokenizer."""
    return load(folder)


@pytest.fixture(scope="session")
def model(loaded: tuple[LlamaForCausalLM, PreTrainedTokenizerFast]) -> LlamaForCausalLM:
    """The model."""
    return loaded[0]


@pytest.fixture(scope="session")
def tokenizer(loaded: tuple[LlamaForCausalLM, PreTrainedTokenizerFast]) -> PreTrainedTokenizerFast:
    """The tokenizer."""
    return loaded[1]
