"""What is known of a training before it starts: whether it can run, what it takes, and what would fit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict

from modelforge.contracts.base import Contract
from modelforge.contracts.info import FieldProblem

_REQUEST = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": "demo.jsonl"}
REQUEST_TEXT: dict[str, Any] = {
    "json_body": '{\n  "task": "text-generation",\n  "model_name": "modelforge-starter",\n  "dataset": "demo.jsonl"\n}',
    "yaml": "task: text-generation\nmodel_name: modelforge-starter\ndataset: demo.jsonl\n",
    "curl": "curl http://localhost:8000/api/jobs -H 'Content-Type: application/json' -d "
    """'{"task": "text-generation", "model_name": "modelforge-starter", "dataset": "demo.jsonl"}'""",
}


class MemoryEstimate(Contract):
    """The most memory that a training takes, in units of 1 000 000 bytes: main memory, or a GPU's where that trains."""

    weights: float
    """The model's own, and those of a second model that it is held to."""
    adapter: float
    """LoRA's matrices."""
    optimizer: float
    """Gradients of what is trained, and what the optimizer remembers of them."""
    activations: float
    """What the layers keep for the gradient."""
    logits: float
    """What the loss is computed from."""
    overhead: float
    """The libraries, and what the allocator cannot use."""

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """By name, in the order in which they are told."""
        return self.model_dump()

    def told(self) -> str:
        """For people: ``1.9 GB: weights 0.3, activations 0.9, …``; parts that round to nothing are left out."""
        parts = [f"{name} {mb / 1e3:.1f}" for name, mb in self.parts().items() if mb >= 50]
        return f"{self.total / 1e3:.1f} GB: {', '.join(parts)}"


class FittingChange(Contract):
    """Something to ask for instead, with which the training fits."""

    changes: dict[str, str | int | float | bool | None]
    """Fields of the training configuration, to put in the place of those of the request."""
    about: str
    """The same in words."""
    needs_mb: float
    """The memory that the training takes with it."""


class MemoryFit(Contract):
    """The memory that a training takes, beside what this machine has; in units of 1 000 000 bytes."""

    fits: bool
    """Whether this machine has enough with the smallest settings; a start is refused where it has not."""
    fits_now: bool
    """Whether there is enough free at present for the training as it was asked for."""
    needs_mb: float
    """What it takes as it was asked for."""
    least_mb: float
    """What it takes with the smallest settings that change neither the model nor what it reads."""
    has_mb: float
    """What the device that trains has in all."""
    free_mb: float
    """What nobody uses of that now; a GPU counts as free."""
    longest_tokens: int
    """Tokens of the longest example that this was told for."""
    parts: MemoryEstimate
    """``needs_mb``, by what takes it."""
    least_parts: MemoryEstimate
    """``least_mb``, by what takes it."""
    changes: list[FittingChange]
    """What would fit, where this does not fit now."""


class DiskPlace(Contract):
    """What a training writes on one disk, in units of 1 000 000 bytes."""

    folder: str
    """Where it writes."""
    needs_mb: float
    """How much it writes at most."""
    free_mb: float
    """How much is free there."""
    what: str
    """What it writes, in words."""


class DiskFit(Contract):
    """What a training writes, beside the room that there is; in units of 1 000 000 bytes."""

    fits: bool
    """Whether there is room for all of it; a start is refused where there is not."""
    checkpoint_mb: float
    """One checkpoint."""
    checkpoints: int
    """Checkpoints that are kept, and the one that is being written."""
    model_mb: float
    """The finished model."""
    dataset_mb: float
    """The run's copy of its data; an uploaded dataset is not copied."""
    places: list[DiskPlace]
    """By disk: runs and models may lie on two."""


class RunLength(Contract):
    """How long a training is. Rows that turn out to be of no use, and examples that are cut in pieces, are not counted
    in; the worker finds out about them."""

    optimizer_steps: int
    """Optimizer steps in all."""
    examples_per_step: int
    """Examples that an optimizer step learns from."""
    examples_per_epoch: int
    """Examples that an epoch learns from, about."""
    held_out: int
    """Examples that are measured on and not learnt from, about."""


class TimeEstimate(Contract):
    """How long the steps of a training take, its evaluations included, loading the model not; in seconds."""

    seconds: float
    """The likeliest."""
    low: float
    """Hardly less than this."""
    high: float
    """Hardly more than this."""
    tokens: int
    """Tokens that are learnt from, told by the size of the files."""
    based_on: Literal["earlier_runs", "arithmetic"]
    """Whether models of about this size were trained here before in the same way, or the speed of such a machine is
    assumed."""
    runs: int
    """How many earlier runs it is based on."""
    about: str
    """What it is based on, in words."""


class RequestText(Contract):
    """The request, to be copied. No key is in it."""

    json_body: str
    """The body of the request."""
    yaml: str
    """The same as a file for ``modelforge train``."""
    curl: str
    """A command that puts it into the queue of the server that was asked."""


class Preflight(Contract):
    """What the server makes of a request to train, without training. What could not be known, because something before
    it does not work, is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ok": True,
                    "error": None,
                    "detail": None,
                    "status_code": None,
                    "problems": [],
                    "config": {**_REQUEST, "lora_r": 16, "per_device_train_batch_size": 1},
                    "name": "my-modelforge-starter-finetuned",
                    "parameters": 4_981_760,
                    "memory": {
                        "fits": True,
                        "fits_now": True,
                        "needs_mb": 640.6,
                        "least_mb": 560.2,
                        "has_mb": 16_800.0,
                        "free_mb": 9_120.5,
                        "longest_tokens": 512,
                        "parts": {
                            "weights": 20.0, "adapter": 3.1, "optimizer": 9.4, "activations": 115.3, "logits": 8.4,
                            "overhead": 484.4,
                        },
                        "least_parts": {
                            "weights": 20.0, "adapter": 3.1, "optimizer": 9.4, "activations": 43.1, "logits": 8.4,
                            "overhead": 476.2,
                        },
                        "changes": [],
                    },
                    "disk": {
                        "fits": True,
                        "checkpoint_mb": 9.4,
                        "checkpoints": 3,
                        "model_mb": 3.6,
                        "dataset_mb": 0.0,
                        "places": [
                            {
                                "folder": "/home/ada/.modelforge",
                                "needs_mb": 31.8,
                                "free_mb": 120_000.0,
                                "what": "3 checkpoints of 9.4 MB, one of them being written, and 3.6 MB for the model",
                            }
                        ],
                    },
                    "length": {
                        "optimizer_steps": 40, "examples_per_step": 4, "examples_per_epoch": 159, "held_out": 40,
                    },
                    "time": {
                        "seconds": 21.0,
                        "low": 14.0,
                        "high": 32.0,
                        "tokens": 14_100,
                        "based_on": "earlier_runs",
                        "runs": 3,
                        "about": "3 earlier runs of this machine",
                    },
                    "warnings": [],
                    "request": REQUEST_TEXT,
                }
            ]
        }
    )  # fmt: skip

    ok: bool
    """Whether a start of the same would be accepted now."""
    error: str | None = None
    """Where it would not: the short message that a start would get, …"""
    detail: str | None = None
    """… what is wrong, where, and what to do, …"""
    status_code: int | None = None
    """… and its HTTP status."""
    problems: list[FieldProblem]
    """All that is wrong, as far as it is about one field of the training configuration. A start tells of the first."""
    config: dict[str, Any]
    """The training configuration, with every value that could be filled in so far."""
    name: str | None = None
    """The new model's name."""
    parameters: int | None = None
    """Weights of the base model, by its ``config.json``."""
    memory: MemoryFit | None = None
    """Null also for a provider that keeps memory in its own way, and for a model whose ``config.json`` does not tell
    its size."""
    disk: DiskFit | None = None
    """Null also for a model whose ``config.json`` does not tell its size."""
    length: RunLength | None = None
    """Null where the data could not be used."""
    time: TimeEstimate | None = None
    """Null also for rlhf, which draws answers of a length that nobody knows before."""
    warnings: list[str]
    """What is worth knowing and would not keep the training from starting."""
    request: RequestText
    """The request as it came."""
