"""What this server is and can do."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from modelforge.contracts.base import Contract


class Available(Contract):
    """What of it is built in this version."""

    providers: list[str]
    strategies: list[str]
    tasks: list[str]


class Info(Contract):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "providers": ["huggingface", "unsloth"],
                    "strategies": ["sft", "qlora", "rlhf", "dpo"],
                    "tasks": ["text-generation", "summarization", "extractive-question-answering"],
                    "version": "v2",
                    "available": {"providers": ["huggingface"], "strategies": ["sft"], "tasks": ["text-generation"]},
                }
            ]
        }
    )

    providers: list[str]
    strategies: list[str]
    tasks: list[str]
    version: Literal["v2"]
    available: Available


class Health(Contract):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "healthy", "version": "v2"}]})

    status: Literal["healthy"] = "healthy"
    version: Literal["v2"] = "v2"


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
