"""What a provider is: how to load a model and its tokenizer, to train and to talk to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.tasks.base import Head, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head: Head
    spec: RunSpec | None
    """The run that made it; None for a base model."""


class Provider(Protocol):
    """The seam of a provider."""

    @property
    def name(self) -> str: ...

    def config(self, ref: ModelRef, *, trust_remote_code: bool = False) -> Mapping[str, Any]:
        """The model's configuration, as its ``config.json`` has it. Raises ModelForgeError."""

    def load(self, spec: RunSpec, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model ready to train, its adapter in place where the spec asks for one. Raises ModelForgeError."""

    def load_start(self, spec: RunSpec, head: Head) -> PreTrainedModel:
        """What the run starts from, as it was, on the run's device, not to be trained. Raises ModelForgeError."""

    def load_trained(self, path: str, task: Task, device: str) -> Loaded:
        """A finished model (or a base model) ready to answer, from its folder or hub id."""

    def trained_bytes(self, path: str, task: Task, device: str) -> int:
        """Bytes of the weights that ``load_trained`` would hold, known without loading them."""
