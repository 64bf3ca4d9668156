"""What a provider is: how to load a model and its tokenizer, to train and to talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from modelforge.contracts.job import RunSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Provider(Protocol):
    """The seam of a provider."""

    @property
    def name(self) -> str: ...

    def load(self, spec: RunSpec) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model ready to train, its adapter in place where the spec asks for one. Raises ModelForgeError."""

    def load_trained(self, path: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """A finished model (or a base model) ready to generate, from its folder or hub id."""

    def trained_bytes(self, path: str, device: str) -> int:
        """Bytes of the weights that ``load_trained`` would hold, known without loading them."""
