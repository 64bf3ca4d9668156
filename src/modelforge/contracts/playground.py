"""Talking to a model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Json, StringConstraints, model_validator

from modelforge.contracts.base import Contract, Request, example
from modelforge.contracts.info import ErrorReply
from modelforge.contracts.training import Task


class ChatMessage(Request):
    """What somebody said in a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who said it."""
    content: Annotated[str, StringConstraints(max_length=1_000_000)]
    """What was said."""


class GenerateRequest(Request):
    """A prompt for a trained model, or for a base model by its name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_id": 1,
                    "prompt": "What is machine learning?",
                    "max_new_tokens": 100,
                    "temperature": 0.7,
                    "top_p": 0.9,
                }
            ]
        }
    )

    model_id: int | None = Field(None, ge=1, le=2**31 - 1)
    """A model of the registry."""
    model_name: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """Instead of model_id: a model of the registry by its name, a bundled model, a local folder or a hub id."""
    job_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """Instead of model_id: a training, however far it came. One of its checkpoints answers, also while it runs."""
    checkpoint: int | None = Field(None, ge=0, le=2**31 - 1)
    """With job_id: the step of the checkpoint; the newest when left out."""
    base: bool = False
    """Ask what the model, or the training of job_id, was trained from, in the format of that training."""
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
    """The text to answer, or to summarise, or the question about ``context``. Put into the format that the model was
    trained in."""
    messages: list[ChatMessage] | None = Field(None, min_length=1, max_length=1000)
    """For text-generation: what was said before the prompt. A message of the system first, if any, then questions of
    the user and answers of the assistant in turns."""
    context: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)] | None = None
    """For extractive question answering: the text that the answer stands in."""
    task: Task | None = None
    """What a base model is asked to do; a model of the registry does what it was trained for. extractive QA where there
    is a context, summarization for encoder-decoder models, else text-generation."""
    max_new_tokens: int = Field(100, ge=1, le=32_768)
    """Tokens after which generation ends at the latest."""
    temperature: float = Field(0.7, ge=0, le=100)
    """0 takes the likeliest token always; higher is more varied."""
    top_p: float = Field(0.9, gt=0, le=1)
    """Sample from the likeliest tokens that hold this much of the probability."""
    seed: int | None = Field(None, ge=0, le=2**32 - 1)
    """Makes sampling repeatable."""
    timeout: float | None = Field(None, gt=0, le=3600)
    """Seconds after which generation ends with what there is."""

    @model_validator(mode="after")
    def _one_model(self) -> GenerateRequest:
        if sum(each is not None for each in (self.model_id, self.model_name, self.job_id)) != 1:
            raise ValueError("give one of model_id, model_name and job_id")
        if self.checkpoint is not None and self.job_id is None:
            raise ValueError("checkpoint: it is one of a training, which job_id names")
        if self.checkpoint is not None and self.base:
            raise ValueError("base: what a training started from is no checkpoint of it; leave one of the two out")
        if self.messages is not None:
            self._check_turns(self.messages)
        return self

    def _check_turns(self, messages: list[ChatMessage]) -> None:
        if self.context is not None or self.task not in (None, "text-generation"):
            raise ValueError("messages: they are for text-generation; leave them out")
        said = messages[1:] if messages[0].role == "system" else messages
        for at, message in enumerate(said):
            if message.role != ("user", "assistant")[at % 2]:
                raise ValueError(
                    f"messages: number {len(messages) - len(said) + at + 1} is the {message.role}'s, where the "
                    f"{('user', 'assistant')[at % 2]} would speak"
                )
        if len(said) % 2:
            raise ValueError("messages: the last is an answer of the assistant; the new question is the prompt")


class GenerateReply(Contract):
    """What the model said."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "generated_text": "Machine learning is a subset of artificial intelligence...",
                    "tokens_generated": 45,
                    "generation_time_ms": 1234,
                    "answer_start": None,
                    "score": None,
                    "finish_reason": "stop",
                }
            ]
        }
    )

    generated_text: str
    """The answer alone, without the prompt."""
    tokens_generated: int
    """What was generated, the end token left out."""
    generation_time_ms: int
    """Milliseconds from the request to the last token, loading of the model left out."""
    answer_start: int | None = None
    """For extractive question answering: where the answer begins in the context, in characters from 0; null where the
    context holds none, and for other tasks."""
    score: float | None = None
    """For extractive question answering: the probability of this answer among those that were looked at, 0 to 1; null
    for other tasks."""
    finish_reason: Literal["stop", "length", "timeout"]
    """The model ended by itself, or max_new_tokens, or the timeout did."""


class GenerationStarted(Contract):
    """How far an answer is that has not begun."""

    model_config = example(phase="waiting", position=2)

    phase: Literal["waiting", "loading", "answering"]
    """It waits for others to be answered; its turn came, and the model is loaded if need be; the model reads the
    prompt."""
    position: int | None = None
    """Its place among those that wait, from 1; null when its turn has come."""


class GenerationToken(Contract):
    """More of an answer."""

    model_config = example(text=" learning")

    text: str
    """Goes on where the one before ended. All of them together are the answer's ``generated_text``."""


class GenerationEvent(Contract):
    """One event of a streamed answer, sent as Server-Sent Events are: the name after ``event:``, the data after
    ``data:``. ``done`` or ``error`` is the last. A line that begins with a colon only shows that the server is there.
    """

    model_config = example(event="token", data='{"text":" learning"}')

    event: Literal["started", "token", "done", "error"]
    """The name."""
    data: Json[GenerationStarted | GenerationToken | GenerateReply | ErrorReply]
    """JSON: for started, token, done and error in this order GenerationStarted, GenerationToken, GenerateReply, and the
    body that an error has everywhere."""
