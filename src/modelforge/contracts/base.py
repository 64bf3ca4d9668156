"""What all contract types share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema, model_validator


class Misfit(ValueError):
    """What is wrong with several fields of a request together."""

    def __init__(self, field: str, words: str) -> None:
        """``field`` is the one to change first."""
        super().__init__(words)
        self.field = field


class Contract(BaseModel):
    """A public type. The docstring under a field is its help in the API, the CLI, the page and the docs."""

    model_config = ConfigDict(use_attribute_docstrings=True, protected_namespaces=(), extra="ignore")


class Request(Contract):
    """A public type that clients send: unknown fields are refused, and ``"3"`` is not a number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, values: Any) -> Any:
        """JSON lets half a surrogate pair through, which no tokenizer, file system or reply can take."""
        if isinstance(values, dict):
            for name, value in values.items():
                if (
                    isinstance(value, str)
                    and not value.isascii()
                    and value != value.encode("utf-8", "replace").decode()
                ):
                    raise ValueError(f"{name}: holds half a surrogate pair, which is no character")
        return values


def now() -> datetime:
    """The present, in UTC. For people to read: nothing orders or measures by it."""
    return datetime.now(UTC)


def _to_iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


UtcTime = Annotated[
    datetime,
    PlainSerializer(_to_iso, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2024-01-15T10:30:00Z"]}),
]
"""UTC, ISO 8601, ending in ``Z``."""


def example(**values: Any) -> ConfigDict:
    """The example that a type shows in the API's documentation."""
    return ConfigDict(json_schema_extra={"examples": [values]})
