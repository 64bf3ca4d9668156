"""What this server is and can do."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from modelforge.contracts.base import Contract


class Info(Contract):
    """What this server is and can do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "providers": ["huggingface", "unsloth"],
                    "strategies": ["sft", "qlora", "rlhf", "dpo"],
                    "tasks": ["text-generation", "summarization", "extractive-question-answering"],
                    "version": "v2",
                }
            ]
        }
    )

    providers: list[str]
    """The libraries of the API that load and train models."""
    strategies: list[str]
    """The methods of training of the API."""
    tasks: list[str]
    """What the API lets a model be taught to do."""
    version: Literal["v2"]
    """The version of the API."""


class Health(Contract):
    """A server that answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "healthy", "version": "v2"}]})

    status: Literal["healthy"] = "healthy"
    """Always this: a server that is not healthy does not answer."""
    version: Literal["v2"] = "v2"
    """The version of the API."""


class FieldProblem(Contract):
    """What is wrong with one field of a request."""

    field: str
    """Its name."""
    detail: str
    """What is wrong with it, and what to do."""


class ErrorReply(Contract):
    """Every error of every route."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": "Invalid request",
                    "detail": "lora_r: must be at least 1, not 0",
                    "status_code": 400,
                }
            ]
        }
    )

    error: str
    """A short message."""
    detail: str
    """What is wrong, where, and what to do."""
    status_code: int
    """The HTTP status, once more."""
    problems: list[FieldProblem] = Field(default_factory=list, exclude_if=lambda problems: not problems)
    """The same by field, for a form: of /api/preflight alone."""
