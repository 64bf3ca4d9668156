"""What a provider is: how to load a model and its tokenizer, to train and to talk to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from modelforge.contracts.job import ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import Head, Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from modelforge.hardware import Hardware


@dataclass(frozen=True)
class Loaded:
    """A model to answer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    head: Head
    spec: RunSpec | None
    """The run that made it; None for a base model."""


class Provider(Protocol):
    """The seam of a provider. What has a body here is what one does that needs nothing of its own."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str:
        """What it is and when to use it, in a sentence, for people who choose."""

    environment: ClassVar[str | None] = None
    """The environment of its own that its workers run in (``environments.py``); None: they run in the server's."""

    engine: ClassVar[bool] = True
    """Whether our engine may run its models; one that rewrites the libraries runs them itself."""

    def obstacle(self, hardware: Hardware) -> str | None:
        """Why it can train nothing on this machine, in words; None where it can."""
        return None

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        """Values for fields that the request left at None; they win over the strategy's."""
        return {}

    def check(self, config: TrainingConfig, hardware: Hardware) -> None:
        """Raises InvalidRequest for what cannot work, before anything is queued and any model is looked at."""
        return

    def check_head(self, head: Head, name: str) -> None:
        """Raises InvalidRequest where it cannot train the head that the model ``name`` needs for the task."""
        return

    def prepare(self, run_dir: Path) -> None:
        """Called in the worker before anything of the training stack is imported."""
        return

    def config(self, ref: ModelRef, *, trust_remote_code: bool = False) -> Mapping[str, Any]:
        """The model's configuration, as its ``config.json`` has it. Raises ModelForgeError."""

    def load(self, spec: RunSpec, head: Head) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The model ready to train, its adapter in place where the spec asks for one. Raises ModelForgeError."""

    def load_start(self, spec: RunSpec, head: Head) -> PreTrainedModel:
        """What the run starts from, as it was, on the run's device, not to be trained. Raises ModelForgeError."""

    def load_trained(self, path: str, task: Task, device: str) -> Loaded:
        """A finished model (or a base model) to answer, its adapter beside its weights, from its folder or hub id."""

    def trained_bytes(self, path: str, task: Task, device: str) -> int:
        """Bytes of the weights that ``load_trained`` would hold, known without loading them."""
