"""A job as clients see it: its state, its points, its history; and the spec that its worker reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelforge.contracts.base import Contract, UtcTime, example
from modelforge.contracts.model import Ancestor
from modelforge.contracts.preflight import REQUEST_TEXT, RequestText
from modelforge.contracts.training import TrainingConfig


class JobState(StrEnum):
    """The states of a job, in the order in which a good run goes through them."""

    QUEUED = "queued"
    STARTING = "starting"
    TRAINING = "training"
    SAVING = "saving"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


OPEN_STATES = (JobState.QUEUED, JobState.STARTING, JobState.TRAINING, JobState.SAVING)
"""A job in one of them has its end still before it."""


class Cause(StrEnum):
    """Why a job ended before it was completed."""

    OOM_GPU = "oom_gpu"
    OOM_HOST = "oom_host"
    DISK_FULL = "disk_full"
    BAD_DATA = "bad_data"
    NAN_LOSS = "nan_loss"
    KILLED = "killed"
    SERVER_RESTART = "server_restart"
    USER = "user"
    ERROR = "error"


_STATUS: dict[str, Any] = {
    "status": "training",
    "progress": 45.5,
    "current_epoch": 2,
    "total_epochs": 3,
    "current_step": 500,
    "total_steps": 1100,
    "loss": 0.234,
    "learning_rate": 0.0002,
    "job_id": "train_3f9a1c5be07d",
    "message": "Training",
    "error": None,
    "cause": None,
    "stalled": False,
    "eval_loss": 0.251,
    "eta_seconds": 312.0,
    "seq": 1741,
}
_PRESENT: dict[str, Any] = {**_STATUS, "queue_seq": 1698}
_POINT: dict[str, Any] = {
    "seq": 1741,
    "job_id": "train_3f9a1c5be07d",
    "attempt": 1,
    "step": 500,
    "epoch": 1.36,
    "loss": 0.234,
    "learning_rate": 0.0002,
    "grad_norm": 0.41,
}
_SUMMARY: dict[str, Any] = {
    **_STATUS,
    "id": "train_3f9a1c5be07d",
    "name": "my-modelforge-starter-finetuned",
    "task": "text-generation",
    "strategy": "sft",
    "provider": "huggingface",
    "model_name": "modelforge-starter",
    "dataset": "dataset.jsonl",
    "attempt": 1,
    "created_at": "2024-01-15T10:30:00Z",
    "started_at": "2024-01-15T10:30:01Z",
    "ended_at": None,
    "model_id": None,
    "metrics": None,
    "position": None,
}


class JobStatus(Contract):
    """How a job stands. Numbers are null until they are known."""

    model_config = example(**_STATUS)

    status: Literal["idle"] | JobState
    """idle (nothing yet), queued, starting, training, saving, completed, failed, stopped or interrupted."""
    progress: float = Field(0.0, ge=0, le=100)
    """Per cent of the steps. Never falls within an attempt; 100 only when completed."""
    current_epoch: int | None = None
    """The pass over the data that is under way, from 1."""
    total_epochs: int | None = None
    """Passes over the data in all."""
    current_step: int | None = None
    """Optimizer steps done."""
    total_steps: int | None = None
    """Optimizer steps in all."""
    loss: float | None = None
    """The newest training loss."""
    learning_rate: float | None = None
    """The newest learning rate."""
    job_id: str | None = None
    """The job that this is about; null when there was none yet."""
    message: str | None = None
    """What happens now, in words."""
    error: str | None = None
    """What went wrong, in words, when it did."""
    cause: Cause | None = None
    """Why the job ended before it was completed."""
    stalled: bool = False
    """Whether the worker has been silent for longer than it should."""
    eval_loss: float | None = None
    """The newest loss on the held-out rows."""
    eta_seconds: float | None = None
    """Seconds until the last step, by the speed so far."""
    seq: int = 0
    """Rises with every change, over all jobs."""


class TrainingStatus(JobStatus):
    """How the present job stands, and whether others came or went meanwhile."""

    model_config = example(**_PRESENT)

    queue_seq: int = 0
    """Rises whenever a job enters or leaves the queue or is moved in it: whoever shows the queue asks for it anew."""


def _missing(value: object) -> bool:
    return value is None


Measured = Annotated[float | None, Field(exclude_if=_missing)]
"""Left out where it was not measured: a client that merges the points of a step must not lose a value."""


class MetricPoint(Contract):
    """What was measured at one step. A later attempt's value for a step replaces the earlier one."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_POINT]})

    seq: int
    """The number of this change, over all jobs."""
    job_id: str
    """The job that it belongs to."""
    attempt: int
    """Which start or resume of the job measured it, from 1."""
    step: int
    """Optimizer steps done when it was measured."""
    epoch: Measured = None
    """Passes over the data done when it was measured."""
    loss: Measured = None
    """Training loss, the mean since the point before, in nats per token."""
    learning_rate: Measured = None
    """Learning rate of the step."""
    grad_norm: Measured = None
    """Norm of the gradient before it was clipped."""
    eval_loss: Measured = None
    """Loss on the held-out rows, in nats per token."""


class StreamMessage(TrainingStatus):
    """One message of the WebSocket: the status, and the points since the message before."""

    model_config = example(**_PRESENT, points=[_POINT])

    points: list[MetricPoint] = Field(default_factory=list)
    """The metrics logged since the message before, oldest first."""


class JobSummary(JobStatus):
    """A job in a list."""

    model_config = example(**_SUMMARY)

    id: str
    """The job's id."""
    name: str
    """The name of the model that it makes."""
    task: str
    """What the model is to do."""
    strategy: str
    """The method of training."""
    provider: str
    """The library that loads and trains the model."""
    model_name: str
    """The model that it starts from."""
    dataset: str
    """The data that it learns from."""
    attempt: int
    """How often it was started or resumed."""
    created_at: UtcTime
    """When it was asked for."""
    started_at: UtcTime | None = None
    """When its first worker started."""
    ended_at: UtcTime | None = None
    """When its newest attempt ended."""
    model_id: int | None = None
    """The model that it made."""
    metrics: dict[str, float] | None = None
    """What was measured at the end."""
    position: int | None = None
    """Its place in the queue, from 1; null where it does not wait."""


class JobEvent(Contract):
    """One thing that happened to a job."""

    seq: int
    """The number of this change, over all jobs."""
    attempt: int
    """Which start or resume of the job it belongs to, from 1."""
    at: UtcTime
    """When the server heard of it."""
    kind: str
    """state, message or checkpoint."""
    text: str
    """What happened, in words."""


class JobDetail(JobSummary):
    """A job with everything that is known of it."""

    model_config = example(
        **_SUMMARY,
        config={"task": "text-generation", "model_name": "modelforge-starter", "dataset": "dataset.jsonl"},
        request=REQUEST_TEXT,
        exit_code=None,
        signal=None,
        log_tail=[],
        pid=4711,
        run_dir="/home/ada/.modelforge/runs/train_3f9a1c5be07d",
        model_path=None,
        events=[
            {"seq": 1203, "attempt": 1, "at": "2024-01-15T10:30:04Z", "kind": "state", "text": "training: Training"}
        ],
    )

    config: dict[str, Any]
    """The training configuration, with every value that was filled in so far."""
    request: RequestText
    """What to ask for to have the same again: all of it but its name, which is taken."""
    exit_code: int | None = None
    """What its newest worker returned; null while it runs, or where a signal ended it."""
    signal: str | None = None
    """The signal that ended its newest worker."""
    log_tail: list[str] = Field(default_factory=list)
    """The last lines of its log, where it failed."""
    pid: int | None = None
    """Its worker's process id, while it runs."""
    run_dir: str
    """Where its files lie."""
    model_path: str | None = None
    """Where its model lies."""
    events: list[JobEvent] = Field(default_factory=list)
    """What happened to it, oldest first: the newest hundred. What its model said is under samples."""


class JobList(Contract):
    """Jobs, oldest first."""

    model_config = example(jobs=[_SUMMARY], total=1)

    jobs: list[JobSummary]
    """Each as it stands now."""
    total: int
    """How many there are in all."""


class MetricList(Contract):
    """A job's points, by step."""

    model_config = example(job_id="train_3f9a1c5be07d", metrics=[_POINT], total=1)

    job_id: str
    """The job that they belong to."""
    metrics: list[MetricPoint]
    """One for each step at which something was measured."""
    total: int
    """How many there are in all."""


class JobLog(Contract):
    """Lines of a job's log, oldest first."""

    model_config = example(
        job_id="train_3f9a1c5be07d",
        lines=["FutureWarning: `is_gradient_checkpointing` is deprecated and will be removed in v6."],
        total=1,
    )

    job_id: str
    """The job whose worker wrote them."""
    lines: list[str]
    """Without their line ends."""
    total: int
    """How many there are in all."""


_CHECKPOINT: dict[str, Any] = {
    "step": 400,
    "stage": None,
    "created_at": "2024-01-15T10:34:00Z",
    "size_mb": 31.4,
    "valid": True,
    "fault": None,
    "path": "/home/ada/.modelforge/runs/train_3f9a1c5be07d/checkpoints/checkpoint-400",
}


class Checkpoint(Contract):
    """What a training can go on from, and what can be asked before it is finished."""

    model_config = example(**_CHECKPOINT)

    step: int
    """Optimizer steps done, those of earlier stages included."""
    stage: str | None = None
    """What was trained then, where a training has several stages: reward or policy. A reward model cannot be asked."""
    created_at: UtcTime
    """When it was written."""
    size_mb: float
    """What it takes on the disk."""
    valid: bool
    """Whether its manifest is there, and its files have the sizes that it names. What goes on from a checkpoint
    compares their hashes, too."""
    fault: str | None = None
    """What is wrong with it, where it is not valid."""
    path: str
    """Where it lies."""


class CheckpointList(Contract):
    """A job's checkpoints, by step. Older ones make way for newer ones."""

    model_config = example(job_id="train_3f9a1c5be07d", checkpoints=[_CHECKPOINT], total=1)

    job_id: str
    """The job that wrote them."""
    checkpoints: list[Checkpoint]
    """Each as it lies on the disk now."""
    total: int
    """How many there are."""


_SAMPLE: dict[str, Any] = {
    "step": 400,
    "attempt": 1,
    "at": "2024-01-15T10:34:00Z",
    "prompt": "When do you open?",
    "completion": "We open at nine.",
    "expected": "We open at nine, from Monday to Friday.",
    "reward": None,
}


class JobSample(Contract):
    """What a model said at a step of its training."""

    model_config = example(**_SAMPLE)

    step: int
    """Optimizer steps done, those of earlier stages included; the first is said before any of its stage."""
    attempt: int
    """Which start or resume of the job it belongs to, from 1. A later one's answer to a prompt at a step stands."""
    at: UtcTime
    """When it was said."""
    prompt: str
    """What the model was asked: the same few rows every time; of rlhf also prompts that it learns from."""
    completion: str
    """What it said: the likeliest answer, cut after 32 tokens; where there is a reward, one that was drawn to learn
    from."""
    expected: str | None = None
    """The answer in the row; null where the prompt is one that it learns from."""
    reward: float | None = None
    """What the reward model says to a drawn answer; null for the others."""


class JobSamples(Contract):
    """What a model said while it was trained, by step."""

    model_config = example(job_id="train_3f9a1c5be07d", samples=[_SAMPLE], total=1)

    job_id: str
    """The job that trains it."""
    samples: list[JobSample]
    """Some prompts for each step at which it was asked."""
    total: int
    """How many there are in all."""


class TrainingStarted(Contract):
    """The reply to a start or a resume."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "started",
                    "job_id": "train_3f9a1c5be07d",
                    "message": "Training started successfully",
                    "warnings": [],
                }
            ]
        }
    )

    status: Literal["started"] = "started"
    """Always this."""
    job_id: str
    """The job, for the routes under /api/jobs."""
    message: str
    """What happened, in words."""
    warnings: list[str] = Field(default_factory=list)
    """What is worth knowing and did not stop the start, such as rows that are left out."""


class JobQueued(Contract):
    """The reply to a job that was put into the queue, or moved in it."""

    model_config = example(
        status="queued", job_id="train_3f9a1c5be07d", message="Waits for its turn", position=2, warnings=[]
    )

    status: Literal["queued"] = "queued"
    """Always this."""
    job_id: str
    """The job, for the routes under /api/jobs."""
    message: str
    """What happened, in words."""
    position: int
    """Its place in the queue, from 1. The first starts as soon as nothing else runs."""
    warnings: list[str] = Field(default_factory=list)
    """What is worth knowing and did not keep it out of the queue, such as rows that are left out."""


class TrainingStopped(Contract):
    """The reply to a stop: the worker has ended, or there will be none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "stopped", "message": "Training stopped successfully", "job_id": "train_3f9a1c5be07d"}
            ]
        }
    )

    status: Literal["stopped"] = "stopped"
    """Always this."""
    message: str
    """What happened, in words."""
    job_id: str
    """The job that was stopped."""


SPEC_SCHEMA = 1


class DatasetRef(Contract):
    """The very file that a run learns from."""

    name: str
    """As the request named it."""
    version: int | None = None
    """That of an uploaded dataset; None for a file that was named by its path."""
    path: str
    """Where the run's own copy lies."""
    sha256: str
    num_examples: int
    """Usable rows."""
    shape: str
    """Which fields its rows have, by the name in ``datasets.formats``."""
    unanswerable: bool = False
    """Whether some of its questions have no answer in their context; known when the rows were read."""


class MixRef(DatasetRef):
    """One of the files that a run learns from beside its first."""

    weight: float
    """Examples of it for each example of the first."""


class ModelRef(Contract):
    """The very model that a run starts from."""

    name: str
    """As the request named it."""
    source: Literal["bundled", "folder", "hub", "registry"]
    path: str
    """The folder, or the hub id."""
    revision: str | None = None
    """The hub's commit, where it was known before the start."""
    adapter: str | None = None
    """The folder of an earlier run's adapter that this run goes on training."""


class RunSpec(Contract):
    """All that a worker needs to know, frozen: a resume reads it and chooses nothing anew."""

    schema_version: int = SPEC_SCHEMA
    job_id: str
    name: str
    """The new model's name."""
    created_at: UtcTime
    requested_at: float | None = None
    """The same by the machine's monotonic clock, in seconds: nothing is measured by a clock that can be set. None for a
    run that waits for another, which says nothing of this one's start."""
    config: TrainingConfig
    """With every default filled in that could be before the data and the model were loaded."""
    frozen: bool = False
    """Whether the worker has filled in the rest, by the run's length and the model."""
    device: Literal["cuda", "mps", "cpu"]
    row_tokens: int | None = None
    """Tokens of a row that the engine lays documents end to end in; None where the plain trainer trains."""
    longest_tokens: int | None = None
    """Tokens of the longest example, which no row is shorter than; known when the rest is filled in."""
    memory_estimate_mb: float | None = None
    """The most memory that it was thought to take, in units of 1 000 000 bytes; None where nothing was known."""
    parameters: int | None = None
    """Weights of the base model, by its ``config.json``; None where that does not tell."""
    dataset: DatasetRef
    mix: list[MixRef] = Field(default_factory=list)
    """What it learns from beside that."""
    eval_dataset: DatasetRef | None = None
    """What it is measured on, where that was given; else a part of the others is held out."""
    model: ModelRef
    lineage: list[Ancestor] = Field(default_factory=list)
    """The models that it descends from, oldest first; the last is the one that it starts from."""
    reward_model: ModelRef | None = None
    """The reward model that was given. ``adapter`` is set where it stands on the very base of this run."""
    output_dir: str
    """Where the finished model goes."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Libraries that the first attempt ran with."""
    modelforge_version: str
