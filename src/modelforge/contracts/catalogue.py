"""What can be chosen for a training: for a form."""

from __future__ import annotations

from typing import Literal

from modelforge.contracts.base import Contract, example
from modelforge.contracts.training import Strategy, Task


class Choice(Contract):
    """Something that a training can name."""

    name: str
    """As a request has it."""
    about: str
    """What it is and when to use it, in a sentence."""


class TaskChoice(Choice):
    """What a model can be taught to do."""

    strategies: list[str]
    """The methods that can teach it."""
    providers: list[str]
    """The libraries that can train it."""
    fields: list[list[str]]
    """The fields that rows for it may have, by kind of dataset; the first is the usual one."""
    options: list[str]
    """Fields of the training configuration that this task alone takes."""


class StrategyChoice(Choice):
    """A method of training."""

    tasks: list[str]
    """What it can teach."""
    fields: list[list[str]] | None
    """The fields that its rows have, by kind of dataset; null where they are those of the task."""
    options: list[str]
    """Fields of the training configuration that not every method takes, and this one does."""
    available: bool
    """Whether this machine can do it."""
    obstacle: str | None
    """Why not, and what to do."""


class ShapeUse(Contract):
    """What can be learnt from a dataset of some shape."""

    task: Task
    """What is taught."""
    strategies: list[Strategy]
    """The methods that teach it from such rows."""


class ShapeChoice(Contract):
    """A shape of dataset."""

    name: str
    """Its name in a dataset's details and in a mapping."""
    fields: list[str]
    """What columns are mapped onto; of messages one turn each."""
    optional: list[str]
    """What they may be mapped onto besides."""
    uses: list[ShapeUse]
    """What can be learnt from it, the usual task first."""


class ProviderChoice(Choice):
    """A library that loads and trains models."""

    tasks: list[str]
    """What it can train a model for."""
    available: bool
    """Whether this machine can train with it now."""
    obstacle: str | None
    """Why not, and what to do."""


class ModelFit(Contract):
    """The memory that a training of a model takes with the default settings, in units of 1 000 000 bytes. Examples are
    taken for as long as they may be by default: shorter ones take less."""

    strategy: str
    """The method that this was told for."""
    fits: bool
    """Whether this machine has enough, with the smallest settings where it must be."""
    needs_mb: float
    """With the default settings."""
    least_mb: float
    """With the smallest settings that change neither the model nor what it reads."""


class BaseModelChoice(Choice):
    """A model to start from."""

    source: Literal["bundled", "registry", "hub"]
    """Whether it ships with ModelForge, was trained here, or is fetched from the Hugging Face hub."""
    parameters: int | None
    """Its weights; null where nothing here tells."""
    context: int | None
    """Tokens that it has positions for."""
    licence: str | None
    """Of its weights; null for one that was trained here, which has that of its base."""
    gated: bool
    """Whether its terms are to be accepted on the hub first, and a token is needed."""
    tasks: list[str]
    """What it can be taught."""
    fits: list[ModelFit]
    """Whether this machine has the memory to train it, by method; none where nothing here tells its
    size, or the model cannot be taught so."""


class Catalogue(Contract):
    """What can be chosen for a training on this machine."""

    model_config = example(
        tasks=[
            {
                "name": "summarization",
                "about": "Writes a short text that says what a long one says; use it for notes, digests and headlines.",
                "strategies": ["sft", "qlora"],
                "providers": ["huggingface", "unsloth"],
                "fields": [["input", "output"]],
                "options": ["max_target_length", "rouge_language", "source_prefix"],
            }
        ],
        strategies=[
            {
                "name": "qlora",
                "about": "The same with the model held in 4 bits: for a model that does not fit into memory otherwise, "
                "a little slower.",
                "tasks": ["text-generation", "summarization", "extractive-question-answering"],
                "fields": None,
                "options": [],
                "available": True,
                "obstacle": None,
            }
        ],
        providers=[
            {
                "name": "unsloth",
                "about": "The kernels of Unsloth for models that write text, on an NVIDIA GPU.",
                "tasks": ["text-generation", "summarization"],
                "available": False,
                "obstacle": "it needs an NVIDIA GPU, and this machine trains on cpu",
            }
        ],
        models=[
            {
                "name": "Qwen/Qwen3-0.6B",
                "about": "Small, newer, in many languages; it can think aloud before it answers.",
                "source": "hub",
                "parameters": 596_049_920,
                "context": 40_960,
                "licence": "Apache-2.0",
                "gated": False,
                "tasks": ["text-generation", "summarization", "extractive-question-answering"],
                "fits": [{"strategy": "sft", "fits": True, "needs_mb": 4120.5, "least_mb": 2210.8}],
            }
        ],
        shapes=[
            {
                "name": "prompt_chosen_rejected",
                "fields": ["prompt", "chosen", "rejected"],
                "optional": [],
                "uses": [{"task": "text-generation", "strategies": ["dpo", "rlhf"]}],
            }
        ],
        presets=[
            {
                "name": "quick",
                "about": "A short try with a small adapter: to see whether it works at all.",
            }
        ],
    )

    tasks: list[TaskChoice]
    """What a model can be taught to do."""
    strategies: list[StrategyChoice]
    """Methods of training."""
    providers: list[ProviderChoice]
    """Libraries that load and train models."""
    models: list[BaseModelChoice]
    """Models worth starting from: bundled ones, those that were trained here, newest first, and some of the hub by
    size. Any other model of the hub, or a folder, can be named, too."""
    shapes: list[ShapeChoice]
    """Shapes of datasets, and what can be learnt from each."""
    presets: list[Choice]
    """Values of the configuration's ``preset``, from the quickest to the best. What one sets for a model and its data,
    a preflight tells."""
