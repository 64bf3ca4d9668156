"""What the api process and the inference process say to each other: one JSON object a line, over the child's pipes.

::

    api process                         inference process
    generate {id, target, …}  ────────▶  queued; those for one model run together, another model's after them
                              ◀────────  started {id}        its turn came: the model is loaded now, if need be
                              ◀────────  loaded {id}         generation begins; the request's timeout runs from here
                              ◀────────  piece {id, text}    more of the answer, where pieces were asked for
                              ◀────────  answered {id} or refused {id}
    cancel {id}               ────────▶  the request ends at its next token, without a word
    evict {path}              ────────▶  the model is dropped as soon as nothing generates with it
    end of the stream         ────────▶  the process exits, whatever it is doing
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from modelforge.contracts.playground import GenerateReply, GenerateRequest
from modelforge.pipe import Message, Refused, Report


class ModelTarget(Message):
    """The model that is to answer."""

    path: str
    """Its folder, or its id on the hub; the folder of a run, for what that starts from and for its checkpoints."""
    provider: str
    task: str
    tuned: bool
    """Whether it was trained here, and so expects the format of its training."""
    base: bool = False
    """Whether not it is to answer but what it was trained from, in the same format."""
    checkpoint: str | None = None
    """The folder of the run's checkpoint that is to answer."""


class Generate(Message):
    kind: Literal["generate"] = "generate"
    id: int
    target: ModelTarget
    request: GenerateRequest
    timeout: float
    """Seconds from ``loaded`` on, after which the answer ends with what there is."""
    pieces: bool = False
    """Whether the answer is told while it is written, too."""


class Cancel(Message):
    kind: Literal["cancel"] = "cancel"
    id: int


class Evict(Message):
    kind: Literal["evict"] = "evict"
    path: str


class Started(Report):
    kind: Literal["started"] = "started"


class Loaded(Report):
    kind: Literal["loaded"] = "loaded"


class Piece(Report):
    kind: Literal["piece"] = "piece"
    text: str
    """Goes on where the piece before ended; all of them together are the reply's text."""


class Answered(Report):
    kind: Literal["answered"] = "answered"
    reply: GenerateReply


Order = Annotated[Generate | Cancel | Evict, Field(discriminator="kind")]
ORDERS: TypeAdapter[Generate | Cancel | Evict] = TypeAdapter(Order)
REPORTS: TypeAdapter[Started | Loaded | Piece | Answered | Refused] = TypeAdapter(
    Annotated[Started | Loaded | Piece | Answered | Refused, Field(discriminator="kind")]
)
