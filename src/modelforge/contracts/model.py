"""Trained models as clients see them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from modelforge.contracts.base import Contract, Request, UtcTime, example
from modelforge.contracts.training import ModelName

_LISTED: dict[str, Any] = {
    "id": 1,
    "name": "my-llama-3-2-3b-finetuned",
    "base_model": "meta-llama/Llama-3.2-3B",
    "task": "text-generation",
    "created_at": "2024-01-15T10:30:00Z",
    "size_mb": 6240,
}


class Ancestor(Contract):
    """A model that another one was trained from."""

    name: str
    """As the request named it."""
    strategy: str | None = None
    """The method that it was trained by; null for a model that was not trained here."""
    job_id: str | None = None
    """The job that made it; null for a model that was not trained here."""


class ModelSummary(Contract):
    """A trained model in the list."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LISTED]})

    id: int
    """Rises, and is never used again."""
    name: str
    """Can be the model_name of a later run."""
    base_model: str
    """The model that it was trained from, as the request named it."""
    task: str
    """What it was trained to do."""
    created_at: UtcTime
    """When it was completed."""
    size_mb: float
    """What its folder takes, in units of 1 000 000 bytes."""


class TrainingParams(Contract):
    """The settings that a model was trained with; every resolved option comes along."""

    model_config = ConfigDict(extra="allow")

    num_epochs: int
    """Passes over the data."""
    batch_size: int
    """Examples in one forward pass."""
    learning_rate: float
    """Peak learning rate."""


class ModelDetail(ModelSummary):
    """A trained model with how it was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_LISTED,
                    "provider": "huggingface",
                    "strategy": "sft",
                    "training_params": {"num_epochs": 3, "batch_size": 4, "learning_rate": 0.0002},
                    "metrics": {"final_loss": 0.234, "perplexity": 1.263},
                    "job_id": "train_3f9a1c5be07d",
                    "path": "/home/ada/.modelforge/models/my-llama-3-2-3b-finetuned",
                    "dataset": "demo.jsonl",
                    "lineage": [{"name": "meta-llama/Llama-3.2-3B", "strategy": None, "job_id": None}],
                }
            ]
        }
    )

    provider: str
    """The library that trained it."""
    strategy: str
    """The method that it was trained by."""
    training_params: TrainingParams
    """The settings that it was trained with."""
    metrics: dict[str, float]
    """final_loss, perplexity, and what else was measured."""
    job_id: str
    """The job that made it."""
    path: str
    """The folder that it lies in."""
    dataset: str
    """The data that it learned from."""
    lineage: list[Ancestor] = Field(default_factory=list)
    """The models that it descends from, oldest first; the last is the one that it was trained from."""


class ModelList(Contract):
    """Trained models, oldest first."""

    model_config = example(models=[_LISTED], total=1)

    models: list[ModelSummary]
    """Each with where it comes from and what it takes."""
    total: int = Field(0)
    """How many there are in all."""


class ModelUsage(Contract):
    """Code that asks a model, made for this one."""

    model_config = example(
        python="from modelforge import ModelForge\n\nwith ModelForge() as forge:\n"
        '    print(forge.generate("my-model", prompt="When do you open?").generated_text)\n',
        curl="curl http://localhost:8000/api/playground/generate -H 'Content-Type: application/json' \\\n"
        '  -d \'{"model_id": 1, "prompt": "When do you open?"}\'',
        transformers=None,
    )

    python: str
    """With this package, on the server's machine."""
    curl: str
    """Over HTTP."""
    transformers: str | None
    """With transformers alone, and PEFT for an adapter, on the machine where its folder lies; null for a model that no
    short code can ask as it was trained."""


class ModelRename(Request):
    """What a model is to be called."""

    model_config = example(name="support-bot")

    name: ModelName
    """Letters, digits, ``.``, ``_`` and ``-``; not taken."""


class ModelDeleted(Contract):
    """The reply to deleting a model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "deleted",
                    "message": "Model deleted successfully",
                    "restorable_until": "2024-01-22T10:30:00Z",
                }
            ]
        }
    )

    status: Literal["deleted"] = "deleted"
    """Always this."""
    message: str = "Model deleted successfully"
    """What happened, in words."""
    restorable_until: UtcTime | None = None
    """Until then it lies in the trash; null where it is gone for good."""


class DeletedModel(ModelSummary):
    """A model in the trash."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_LISTED, "deleted_at": "2024-01-16T08:00:00Z", "restorable_until": "2024-01-23T08:00:00Z"}]
        }
    )

    deleted_at: UtcTime
    """When it was deleted."""
    restorable_until: UtcTime
    """When it goes for good."""


class Trash(Contract):
    """Deleted models, in the order in which they were deleted."""

    model_config = example(
        models=[{**_LISTED, "deleted_at": "2024-01-16T08:00:00Z", "restorable_until": "2024-01-23T08:00:00Z"}], total=1
    )

    models: list[DeletedModel]
    """Each can be restored."""
    total: int = Field(0)
    """How many there are in all."""
