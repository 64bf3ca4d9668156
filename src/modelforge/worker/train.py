"""One run from its spec to its model, read from top to bottom."""

from __future__ import annotations

import importlib.metadata
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from transformers import set_seed

from modelforge.contracts.job import SPEC_SCHEMA, JobState, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.prepared import folder_of
from modelforge.engine import flash, pointwise
from modelforge.engine.engine import prepare, refusal
from modelforge.errors import InvalidRequest
from modelforge.providers import PROVIDERS, adapter
from modelforge.specfile import write_spec
from modelforge.strategies import STRATEGIES
from modelforge.strategies.base import Run, Strategy
from modelforge.strategies.stage import Training
from modelforge.tasks import TASKS
from modelforge.tasks.base import Head
from modelforge.worker import checkpoints, choices, samples, save
from modelforge.worker.callback import NothingLeft, Pace, ReportCallback
from modelforge.worker.entries import Entries
from modelforge.worker.evaluate import Evaluation, quiet
from modelforge.worker.lengths import row_tokens, rows_a_step
from modelforge.worker.mixture import Mixture, gather
from modelforge.worker.order import EpochOrder, lengths_of
from modelforge.worker.report import Report, StopRequested
from modelforge.worker.samples import Sample, SampleCallback
from modelforge.worker.start import as_it_was
from modelforge.worker.trainers import OurTrainer, in_full_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback

    from datasets import Dataset

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "safetensors", "tokenizers")
TRAIN_ROWS_MEASURED = 1000
"""Without held-out rows the final loss is measured on so many training rows at most."""


def run(run_dir: Path, report: Report) -> None:
    """Load, prepare, train, evaluate, save. Raises StopRequested when told to end, after saving a checkpoint."""
    spec = _read_spec(run_dir)
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise InvalidRequest(
            f"this machine has an NVIDIA GPU, but torch {torch.__version__} cannot use it: install a CUDA build that "
            "fits the driver, or set CUDA_VISIBLE_DEVICES to nothing to train on the CPU"
        )
    task, strategy = TASKS.get(spec.config.task), STRATEGIES.get(spec.config.strategy)
    provider = PROVIDERS.get(spec.config.provider)

    # Load.
    report.message(f"Loading {spec.model.name}")
    trust = spec.config.trust_remote_code
    described = provider.config(spec.model, trust_remote_code=trust)
    head = task.head(described, spec.model.name)
    by_engine = provider.engine and strategy.engine and head is Head.CAUSAL and spec.config.use_lora
    if spec.device == "cuda" and by_engine:
        prepare(described, _computed_in(spec.config), spec.config.lora_dropout or 0.0)
    model, tokenizer = provider.load(spec, head)
    adapter.keep_start(model, spec.config, run_dir / adapter.START_FOLDER)
    report.check_stop()

    # Prepare: what the request left open is chosen once, at the first attempt, and frozen.
    if not spec.frozen:
        limits = choices.model_limits(spec.config, model, tokenizer, head)
        spec = _with(spec, limits | task.by_model(spec.config, described))
    config = spec.config
    rows = gather(
        spec,
        tokenizer,
        head,
        cache=run_dir / "cache",
        shared=Entries(folder_of(run_dir.parents[1])),
        check_stop=report.check_stop,
    )
    for text in rows.said:
        report.message(text)
    lengths = lengths_of(rows.train)
    if not spec.frozen:
        chosen = choices.answer_limit(config, rows.train) | task.by_data(config, tokenizer, rows.held_out_rows)
        spec = _frozen(_with(spec, chosen), strategy, head, model, described, rows, lengths, report)
        write_spec(run_dir, spec)
        config = spec.config

    # Train.
    shared = Run(
        spec=spec,
        folder=run_dir,
        task=task,
        head=head,
        model=model,
        tokenizer=tokenizer,
        train=rows.train,
        draw=rows.draw,
        held_out=rows.held_out,
        measured=rows.held_out if rows.held_out is not None else _sample(rows, config.seed),
        rows=rows.held_out_rows,
        load_start=lambda: provider.load_start(spec, head),
        check_stop=report.check_stop,
        tell=report.message,
        sample=report.sample,
    )
    stages = strategy.stages(shared)
    asked = samples.choose(shared, strategy) if head is Head.CAUSAL else []
    metrics: dict[str, float] = {}
    trained: list[tuple[OurTrainer, ReportCallback]] = []
    for number, stage in enumerate(stages):
        if stage.done:
            metrics |= stage.known()
            continue
        seconds = trained[-1][1].train_seconds if trained else checkpoints.seconds_so_far(run_dir / "checkpoints")
        trainer, callback, found = _train(stage, shared, asked, Pace.of(stages, number), seconds, report, lengths)
        metrics |= found
        trained.append((trainer, callback))

    # Evaluate: what was trained and what it was trained from, on the same rows.
    try:
        report.message("Measuring the model")
        metrics |= _train_loss(trainer.state.log_history) | _measure(trainer, strategy, shared)
        report.message("Measuring what it was trained from")
        begin = Path(spec.model.adapter) if spec.model.adapter else run_dir / adapter.START_FOLDER
        with as_it_was(model, begin if begin.is_dir() else None, shared.load_start):
            metrics |= _measure_base(trainer, strategy, shared)
        report.check_stop()
    except StopRequested:
        _save_checkpoint(trainer, callback)
        raise
    metrics |= _speed(trained, whole=len(trained) == len(stages))
    if spec.memory_estimate_mb is not None:
        metrics["estimated_memory_mb"] = spec.memory_estimate_mb

    # Save.
    report.state(JobState.SAVING, "Saving the model")
    folders = {name: run_dir / name for name in strategy.keeps if (run_dir / name).is_dir()}
    start = run_dir / adapter.START_FOLDER
    save.save_model(model, tokenizer, spec, metrics, folders, start if start.is_dir() else None)
    shutil.rmtree(run_dir / "cache", ignore_errors=True)
    report.state(JobState.COMPLETED, "Training completed", metrics=metrics)


def _train(
    stage: Training,
    shared: Run,
    asked: Sequence[Sample],
    pace: Pace,
    seconds: float,
    report: Report,
    lengths: Sequence[int],
) -> tuple[OurTrainer, ReportCallback, dict[str, float]]:
    """One stage to its end, from its newest whole checkpoint if there is one, with ``asked`` meanwhile; what was
    measured at its end."""
    config, spec = stage.config, shared.spec
    folder = shared.folder / "checkpoints" / stage.name
    checkpoint, left_out = checkpoints.latest_valid(folder)
    for text in left_out:
        report.message(text)
    if stage.name:
        report.message(f"Training the {stage.name} model" if stage.name == "reward" else f"Training the {stage.name}")
    if checkpoint:
        report.message(f"Going on from the checkpoint at step {checkpoints.manifest_of(checkpoint)['step']}")
    callback = ReportCallback(
        report,
        spec.requested_at if report.attempt == 1 else None,
        seconds,
        pace,
        keep=config.save_total_limit,
        patience=config.early_stopping_patience,
        resumed=checkpoint is not None,
    )
    arguments = training_arguments(spec, config, folder, stage.steps, has_held_out=shared.held_out is not None)
    set_seed(config.seed)
    callbacks: list[TrainerCallback] = [callback]
    if asked and stage.speaks:
        callbacks.append(SampleCallback(report, shared, asked, pace.done))
    trainer = stage.trainer(arguments, callbacks)
    assert trainer.model is not None
    in_full_precision(trainer.model)
    trainer.loraplus_lr_ratio = config.loraplus_lr_ratio
    trainer.order = EpochOrder(
        lengths,
        rows_a_step(config),
        config.seed,
        # Rows of the engine pad nothing, and a random order learns better.
        group_by_length=config.group_by_length and spec.row_tokens is None,
        draw=shared.draw,
    )
    evaluation = Evaluation(trainer, report.check_stop, stage.between)
    if shared.held_out is not None:
        callback.evaluate = evaluation
    try:
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except NothingLeft:
            if arguments["load_best_model_at_end"]:
                trainer._load_best_model()
        if callback.stopped:
            raise StopRequested
        return trainer, callback, stage.finish(trainer)
    except StopRequested:
        callback.tell_progress(trainer.state)
        _save_checkpoint(trainer, callback)
        raise


def training_arguments(
    spec: RunSpec, config: TrainingConfig, folder: Path, total_steps: int, *, has_held_out: bool
) -> dict[str, Any]:
    """The transformers TrainingArguments that every strategy shares."""
    return {
        "output_dir": str(folder),
        "use_cpu": spec.device == "cpu",
        "bf16": bool(config.bf16),
        "fp16": bool(config.fp16),
        "num_train_epochs": config.num_train_epochs,
        "max_steps": config.max_steps,
        "per_device_train_batch_size": config.per_device_train_batch_size,
        "per_device_eval_batch_size": config.per_device_eval_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "gradient_checkpointing": bool(config.gradient_checkpointing),
        "max_grad_norm": config.max_grad_norm,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "optim": config.optim,
        "lr_scheduler_type": config.lr_scheduler_type,
        # transformers rounds a share up, so that a run of one step would have a learning rate of 0.
        "warmup_steps": int(config.warmup_ratio * total_steps) if config.warmup_steps is None else config.warmup_steps,
        "logging_steps": config.logging_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if has_held_out else "no",
        "eval_steps": config.eval_steps,
        "prediction_loss_only": True,
        "save_strategy": "steps",
        "save_steps": config.save_steps,
        "load_best_model_at_end": config.load_best_model_at_end and has_held_out,
        "metric_for_best_model": "eval_loss" if config.load_best_model_at_end and has_held_out else None,
        "greater_is_better": False,
        "include_num_input_tokens_seen": "non_padding",
        "seed": config.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": spec.device == "cuda",
    }


def _read_spec(run_dir: Path) -> RunSpec:
    path = run_dir / "spec.json"
    try:
        spec = RunSpec.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InvalidRequest(f"{path} is damaged, it is no whole spec of a run: start a new one") from error
    if spec.schema_version > SPEC_SCHEMA:
        raise InvalidRequest(f"{path} was written by a newer version of ModelForge: resume the run with that one")
    return spec


def _with(spec: RunSpec, chosen: dict[str, Any]) -> RunSpec:
    """The spec with more of its configuration filled in."""
    config = TrainingConfig.model_validate({**spec.config.model_dump(), **chosen})
    return spec.model_copy(update={"config": config})


def _frozen(
    spec: RunSpec,
    strategy: Strategy,
    head: Head,
    model: PreTrainedModel,
    described: Mapping[str, Any],
    rows: Mixture,
    lengths: Sequence[int],
    report: Report,
) -> RunSpec:
    """The spec with all that was left to the model and the length of the run."""
    spec = _with(spec, choices.intervals(spec.config, rows.rows_an_epoch))
    why = None
    engine = PROVIDERS.get(spec.config.provider).engine and strategy.engine and head is Head.CAUSAL
    if engine:
        why = "packing is off" if strategy.packs and spec.config.packing is False else refusal(model)
        if why is not None:
            report.message(f"Trained the plain way, not by the fast engine: {why}")
        engine = why is None
    if engine and spec.device in ("cpu", "cuda"):
        fault = pointwise.fault(torch.device(spec.device), _computed_in(spec.config))
        if fault:
            report.message(f"Training takes up to twice as long as it has to: {fault}")
    batch = choices.largest_batch(spec.config, rows.train, lengths, head, engine=engine, draw=rows.draw)
    long = engine and flash.usable(torch.device(spec.device), _computed_in(spec.config), model.config)
    free = choices.free_memory(spec.device)
    way = choices.way_that_fits(spec, described, head, batch, engine=engine, long=long, free=free)
    if way.gradient_checkpointing and not spec.config.gradient_checkpointing:
        why = "much" if engine and spec.device == "cuda" else "more than is free of"
        report.message(f"Activations would take {why} memory: gradient checkpointing is on")
    elif way.row_tokens is not None and way.row_tokens < (best := row_tokens(described, long=long)):
        report.message(f"Memory is short: rows have {way.row_tokens} tokens instead of {best}")
    packing = strategy.packs if engine else bool(spec.config.packing)
    spec = _with(spec, {"gradient_checkpointing": way.gradient_checkpointing, "packing": packing})
    needs = choices.needs(spec, described, head, batch, way)
    if needs is not None:
        report.message(f"Needs about {needs.told()}")
    return spec.model_copy(
        update={
            "frozen": True,
            "versions": _versions(),
            "dataset": spec.dataset.model_copy(update={"unanswerable": rows.unanswerable}),
            "row_tokens": way.row_tokens,
            "longest_tokens": batch.longest,
            "memory_estimate_mb": None if needs is None else round(needs.total, 1),
        }
    )


def _computed_in(config: TrainingConfig) -> torch.dtype:
    return torch.bfloat16 if config.bf16 else torch.float16 if config.fp16 else torch.float32


def _save_checkpoint(trainer: OurTrainer, callback: ReportCallback) -> None:
    """Save between two steps, where the trainer itself would not: a stop came during an evaluation."""
    step = trainer.state.global_step
    target = Path(str(trainer.args.output_dir)) / f"checkpoint-{step}"
    if step > 0 and checkpoints.fault_of(target) is not None:
        assert trainer.model is not None
        trainer._save_checkpoint(trainer.model, trial=None)
        callback.sealed(target, trainer.state)


def _measure(trainer: OurTrainer, strategy: Strategy, shared: Run) -> dict[str, float]:
    """``final_loss`` in nats per token, what the trainer and the strategy measure, and what follows from them."""
    model = trainer.accelerator.unwrap_model(shared.model)
    evaluation: Any = trainer.evaluate
    measured: dict[str, float] = evaluation.measure(shared.measured)
    for name in ("loss", "token_accuracy"):  # which the training has, too
        if name in measured:
            measured[f"eval_{name}"] = measured.pop(name)
    with quiet(model):
        measured = {"final_loss": measured["eval_loss"], **measured, **strategy.measure(shared, model)}
    if shared.held_out is None:
        del measured["eval_loss"]
    return measured | _perplexity(measured)


def _perplexity(measured: dict[str, float]) -> dict[str, float]:
    """The exponential of the loss; capped at e^700, which a float still holds."""
    return {"perplexity": math.exp(min(measured["final_loss"], 700.0))}


def _measure_base(trainer: OurTrainer, strategy: Strategy, shared: Run) -> dict[str, float]:
    """The same of what the run started from, as ``base_…``; without what is measured against that itself."""
    with quiet(shared.model):
        measured = strategy.measure(shared, shared.model)
    if "final_loss" not in measured:
        measured = _measure(trainer, strategy, shared)
        measured.pop("eval_loss", None)
    measured |= _perplexity(measured)
    return {f"base_{name}": value for name, value in measured.items()}


def _train_loss(history: list[dict[str, float]]) -> dict[str, float]:
    """The mean over all steps that were logged, each point with the steps that it stands for.

    transformers' own mean is wrong after a resume; the logged losses are all there.
    """
    total, done = 0.0, 0.0
    for entry in history:
        if "loss" in entry:
            total += entry["loss"] * (entry["step"] - done)
            done = entry["step"]
    return {"train_loss": total / done} if done else {}


def _sample(rows: Mixture, seed: int) -> Dataset:
    # Each once, in about the proportions that they are learnt in.
    train = rows.train if rows.draw is None else rows.train.select(sorted(set(rows.draw.rows(0).tolist())))
    if len(train) <= TRAIN_ROWS_MEASURED:
        return train
    return train.shuffle(seed=seed).select(range(TRAIN_ROWS_MEASURED))


def _speed(trained: Sequence[tuple[OurTrainer, ReportCallback]], *, whole: bool) -> dict[str, float]:
    """Tokens, seconds, tokens per second and peak memory of the training itself; ``whole``: of all its stages."""
    trainer, callback = trained[-1]
    peak = torch.cuda.max_memory_allocated() / 1e6 if trainer.args.device.type == "cuda" else _peak_host_mb()
    measured = {"train_seconds": callback.train_seconds, "peak_memory_mb": round(peak, 1)}
    if whole:
        measured["train_tokens"] = float(sum(each.state.num_input_tokens_seen for each, _ in trained))
        if callback.train_seconds > 0:
            measured["tokens_per_second"] = measured["train_tokens"] / callback.train_seconds
    first = trained[0][1]
    if whole and first.time_to_first_step is not None and not first.resumed:
        measured["time_to_first_step_s"] = first.time_to_first_step
    return measured


def _peak_host_mb() -> float:
    """The most main memory that this process had, in units of 1 000 000 bytes."""
    if sys.platform == "win32":
        import psutil  # noqa: PLC0415

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource  # noqa: PLC0415 - Windows has none

    # Linux counts in units of 1024 bytes, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in LIBRARIES}
