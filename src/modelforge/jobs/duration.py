"""How long a run is, in steps and in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from modelforge.contracts.job import DatasetRef, JobState, RunSpec
from modelforge.contracts.preflight import RunLength, TimeEstimate
from modelforge.contracts.training import TrainingConfig
from modelforge.hardware import Device, Hardware
from modelforge.jobs.data import Data
from modelforge.settings import Settings
from modelforge.specfile import spec_of
from modelforge.store.database import Database
from modelforge.store.jobs import list_jobs
from modelforge.store.tables import JobRow
from modelforge.worker.lengths import rows_a_step, total_steps

NEWEST = 100
"""Earlier runs that are looked at."""
LIKE = 4.0
"""A model of so many times the weights, or of one part in so many, is of about the same size: speed per weight differs
little (benchmarks/LOG.md)."""
SPREAD = 1.5
"""Between two times of the same run on a machine with other work: 282 to 425 tokens a second (benchmarks/LOG.md)."""
BYTES_A_TOKEN = (5.0, 4.0, 2.5)
"""Of a row of English as JSON, by the tokenizers of large and of small vocabularies: few tokens, likely, many."""
FLOPS: dict[Device, tuple[float, float]] = {"cuda": (2e12, 4e13), "mps": (2e11, 2e12), "cpu": (1e10, 1e11)}
"""What a training comes to a second, at least and at most: of a GPU, of Apple's, and of each thread of a CPU. By
LOG.md, 9000 tokens a second of 1.2 billion weights with our engine on an H200 and 1000 without it; 400 and 60 of 134
million on two threads, with and without bfloat16. That of Apple's GPU is assumed."""
FROZEN, TRAINED, AGAIN = 4, 6, 2
"""Operations for each weight and token: forward and back to the adapters; to the weights themselves as well; and
forward once more where activations are not kept."""


@dataclass(frozen=True)
class Earlier:
    """What a finished run says of the next."""

    pace: float
    """Weights times tokens for each second of its steps, evaluations and samples included."""
    bytes_a_token: float | None
    """Of its data, where it had the same model."""


def length_of(config: TrainingConfig, data: Data) -> RunLength:
    """Steps and examples of the resolved run, by the rows of its files."""
    held = _held_out(data.dataset.num_examples, config.eval_split)
    first = data.dataset.num_examples - held
    more = [max(1, round(part.weight * first)) for part in data.mix]
    examples = first + sum(more)
    measured = data.eval_dataset
    return RunLength(
        optimizer_steps=total_steps(config, examples),
        examples_per_step=rows_a_step(config),
        examples_per_epoch=examples,
        held_out=measured.num_examples if measured is not None else round(held * examples / first),
    )


def _held_out(rows: int, split: float) -> int:
    """Rows of a file that are held out, about; with any held out, each side has at least one."""
    return min(max(round(rows * split), 1), rows - 1) if split > 0 else 0


def time_of(
    config: TrainingConfig,
    data: Data,
    length: RunLength,
    parameters: int,
    hardware: Hardware,
    settings: Settings,
    database: Database,
) -> TimeEstimate | None:
    """How long the resolved run takes, by earlier ones of the same kind where there are some; None where nothing can
    be said."""
    if config.strategy == "rlhf":
        return None  # answers are drawn, and nobody knows how long they are
    examples = _examples(config, length)
    found = earlier_runs(config, parameters, hardware.device, settings, database)
    measured = [run.bytes_a_token for run in found if run.bytes_a_token is not None]
    ratios = (median(measured),) * 3 if measured else BYTES_A_TOKEN
    few, likely, many = (_tokens(config, data, examples, ratio) for ratio in ratios)
    if found:
        paces = sorted(run.pace for run in found)
        pace = median(paces)
        spread = SPREAD if len(found) > 1 else SPREAD**2
        slow, fast = min(paces[0], pace / spread), max(paces[-1], pace * spread)
        about = f"{len(found)} earlier run{'s' if len(found) > 1 else ''} of this machine on models of about this size"
    else:
        slow, fast = _assumed(config, hardware)
        pace = (slow * fast) ** 0.5
        about = (
            f"{parameters / 1e6:.1f} million weights times {round(likely)} tokens, at a speed that is assumed for this "
            "machine: none of its runs was like this one"
        )
    return TimeEstimate(
        seconds=round(likely * parameters / pace, 1),
        low=round(few * parameters / fast, 1),
        high=round(many * parameters / slow, 1),
        tokens=round(likely),
        based_on="earlier_runs" if found else "arithmetic",
        runs=len(found),
        about=about,
    )


def _examples(config: TrainingConfig, length: RunLength) -> int:
    """Examples that the whole run learns from; one that comes twice counts twice."""
    if config.max_steps > 0:
        return config.max_steps * length.examples_per_step
    return config.num_train_epochs * length.examples_per_epoch


def _tokens(config: TrainingConfig, data: Data, examples: int, bytes_a_token: float) -> float:
    """Tokens of so many examples, drawn from the files as an epoch draws them."""
    shares = [(data.dataset, 1.0), *((part, part.weight) for part in data.mix)]
    whole = sum(weight for _, weight in shares)
    limit = config.max_seq_length or float("inf")
    each = sum(weight * min(_bytes_a_row(file) / bytes_a_token, limit) for file, weight in shares) / whole
    return examples * each


def _bytes_a_row(file: DatasetRef) -> float:
    return Path(file.path).stat().st_size / max(1, file.num_examples)


def earlier_runs(
    config: TrainingConfig, parameters: int, device: Device, settings: Settings, database: Database
) -> list[Earlier]:
    """Finished runs that were trained in the same way on this machine, with a model of about that size."""
    with database.session() as session:
        _, total = list_jobs(session, 0, 0)
        rows, _ = list_jobs(session, NEWEST, max(0, total - NEWEST))
        finished = [row for row in rows if row.status == JobState.COMPLETED and row.metrics]
        session.expunge_all()
    found = []
    for row in finished:
        if (row.strategy, row.provider, row.task) != (config.strategy, config.provider, config.task):
            continue
        spec = spec_of(settings.runs / row.id)
        if spec is None or spec.parameters is None or spec.device != device:
            continue
        measured = row.metrics or {}
        tokens, seconds = measured.get("train_tokens"), measured.get("train_seconds")
        # Not tokens_per_second, which leaves out evaluations, samples and checkpoints.
        if tokens and seconds and spec.config.use_lora == config.use_lora and _alike(spec.parameters, parameters):
            found.append(Earlier(tokens / seconds * spec.parameters, _bytes_a_token(row, spec, config)))
    return found


def _alike(one: int, other: int) -> bool:
    return 1 / LIKE <= one / other <= LIKE


def _bytes_a_token(row: JobRow, spec: RunSpec, config: TrainingConfig) -> float | None:
    """Bytes of its file for each token that the run learnt from, where it had the same model and this one file."""
    tokens, steps = (row.metrics or {}).get("train_tokens"), row.current_step
    path = Path(spec.dataset.path)
    if spec.config.model_name != config.model_name or spec.mix or not tokens or not steps or not path.is_file():
        return None
    length = length_of(spec.config, Data(spec.dataset, [], spec.eval_dataset))
    examples = _examples(spec.config, length) * steps / length.optimizer_steps
    return _bytes_a_row(spec.dataset) * examples / tokens


def _assumed(config: TrainingConfig, hardware: Hardware) -> tuple[float, float]:
    """Weights times tokens a second, at least and at most."""
    slow, fast = FLOPS[hardware.device]
    threads = hardware.threads if hardware.device == "cpu" else 1
    each = (FROZEN if config.use_lora else TRAINED) + (AGAIN if config.gradient_checkpointing else 0)
    return slow * threads / each, fast * threads / each
