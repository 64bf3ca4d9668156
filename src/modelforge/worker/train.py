"""One run from its spec to its model, read from top to bottom."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer, set_seed

from modelforge.contracts.job import JobState, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.files import write_atomic
from modelforge.providers import PROVIDERS
from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from modelforge.worker import checkpoints, choices, data, save
from modelforge.worker.callback import ReportCallback
from modelforge.worker.evaluate import Evaluation
from modelforge.worker.order import EpochOrder, lengths_of
from modelforge.worker.report import Report, StopRequested

if TYPE_CHECKING:
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

    # Load.
    report.message(f"Loading {spec.model.name}")
    model, tokenizer = PROVIDERS.get(spec.config.provider).load(spec)
    report.check_stop()

    # Prepare: what the request left open is chosen once, at the first attempt, and frozen.
    if not spec.frozen:
        spec = _with(spec, choices.model_limits(spec.config, model, tokenizer))
    config = spec.config
    assert config.max_seq_length is not None
    rows = data.prepare(
        Path(spec.dataset.path),
        task,
        tokenizer,
        max_seq_length=config.max_seq_length,
        eval_split=config.eval_split,
        seed=config.seed,
        cache=run_dir / "cache",
        check_stop=report.check_stop,
    )
    _tell(report, rows, config.max_seq_length)
    lengths = lengths_of(rows.train)
    if not spec.frozen:
        checkpointing = choices.needs_checkpointing(spec, model, max(lengths))
        if config.gradient_checkpointing is None and checkpointing:
            report.message("Activations would not fit into memory: gradient checkpointing is on")
        chosen = choices.intervals(config, len(rows.train))
        if config.gradient_checkpointing is None:
            chosen["gradient_checkpointing"] = checkpointing
        spec = _with(spec, chosen).model_copy(update={"frozen": True, "versions": _versions()})
        write_atomic(run_dir / "spec.json", spec.model_dump_json(indent=2))
        config = spec.config

    # Train.
    folder = run_dir / "checkpoints"
    checkpoint, left_out = checkpoints.latest_valid(folder)
    for text in left_out:
        report.message(text)
    earlier = checkpoints.manifest_of(checkpoint) if checkpoint else {}
    if checkpoint:
        report.message(f"Going on from the checkpoint at step {earlier['step']}")
    callback = ReportCallback(report, spec.created_at.timestamp(), float(earlier.get("train_seconds", 0.0)))
    total = choices.total_steps(config, len(rows.train))
    arguments = training_arguments(spec, folder, total, has_held_out=rows.held_out is not None)
    set_seed(config.seed)
    trainer = strategy.trainer(config, arguments, model, tokenizer, rows.train, rows.held_out, [callback])
    sampler = EpochOrder(lengths, choices.rows_a_step(config), config.seed, group_by_length=config.group_by_length)
    trainer._get_train_sampler = lambda *_: sampler  # type: ignore[method-assign]
    evaluation = Evaluation(trainer, report.check_stop)
    if rows.held_out is not None:
        callback.evaluate = evaluation
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except StopRequested:
        callback.tell_progress(trainer.state)
        _save_checkpoint(trainer, callback, folder)
        raise
    if callback.stopped:
        raise StopRequested

    # Evaluate.
    metrics = _evaluate(trainer, evaluation, rows)
    report.check_stop()
    metrics |= task.metrics(metrics["final_loss"]) | _speed(trainer, callback, resumed=checkpoint is not None)

    # Save.
    report.state(JobState.SAVING, "Saving the model")
    save.save_model(trainer.accelerator.unwrap_model(trainer.model), tokenizer, spec, metrics)
    shutil.rmtree(run_dir / "cache", ignore_errors=True)
    report.state(JobState.COMPLETED, "Training completed", metrics=metrics)


def training_arguments(spec: RunSpec, folder: Path, total_steps: int, *, has_held_out: bool) -> dict[str, Any]:
    """The transformers TrainingArguments that every strategy shares."""
    config = spec.config
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
        "save_total_limit": 2,
        "include_num_input_tokens_seen": "non_padding",
        "seed": config.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": spec.device == "cuda",
    }


def _read_spec(run_dir: Path) -> RunSpec:
    spec = RunSpec.model_validate_json((run_dir / "spec.json").read_text(encoding="utf-8"))
    newest: int = RunSpec.model_fields["schema_version"].default
    if spec.schema_version > newest:
        raise InvalidRequest(f"{run_dir / 'spec.json'} was written by a newer version of ModelForge")
    return spec


def _with(spec: RunSpec, chosen: dict[str, Any]) -> RunSpec:
    """The spec with more of its configuration filled in."""
    config = TrainingConfig.model_validate({**spec.config.model_dump(), **chosen})
    return spec.model_copy(update={"config": config})


def _tell(report: Report, rows: data.Prepared, max_seq_length: int) -> None:
    held_out = len(rows.held_out) if rows.held_out is not None else 0
    report.message(f"{len(rows.train)} rows to learn from, {held_out} held out")
    if rows.cut:
        report.message(f"{rows.cut} rows are longer than max_seq_length {max_seq_length}: their answers are cut")
    if rows.dropped:
        named = ", ".join(str(line) for line in rows.dropped[:10])
        more = f" and {len(rows.dropped) - 10} more" if len(rows.dropped) > 10 else ""
        report.message(
            f"{len(rows.dropped)} rows are left out, their prompts alone fill max_seq_length {max_seq_length}: "
            f"lines {named}{more}"
        )


def _save_checkpoint(trainer: Trainer, callback: ReportCallback, folder: Path) -> None:
    """Save between two steps, where the trainer itself would not: a stop came during an evaluation."""
    step = trainer.state.global_step
    target = folder / f"checkpoint-{step}"
    if step > 0 and checkpoints.fault_of(target) is not None:
        assert trainer.model is not None
        trainer._save_checkpoint(trainer.model, trial=None)
        callback.sealed(target, step)


def _evaluate(trainer: Trainer, evaluation: Evaluation, rows: data.Prepared) -> dict[str, float]:
    """``final_loss`` on the held-out rows (on training rows where none are), ``train_loss``, and what else was
    measured on the same rows, losses in nats per token."""
    history = trainer.state.log_history
    metrics = _train_loss(history)
    if rows.held_out is None:
        return metrics | evaluation(_sample(rows.train, trainer.args.seed), "final_loss")
    last = next((entry for entry in reversed(history) if "eval_loss" in entry), None)
    if last is None or last["step"] != trainer.state.global_step:
        evaluation()
        last = next(entry for entry in reversed(trainer.state.log_history) if "eval_loss" in entry)
    metrics |= {"final_loss": last["eval_loss"], "eval_loss": last["eval_loss"]}
    if "eval_mean_token_accuracy" in last:
        metrics["eval_token_accuracy"] = last["eval_mean_token_accuracy"]
    return metrics


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


def _sample(rows: Dataset, seed: int) -> Dataset:
    if len(rows) <= TRAIN_ROWS_MEASURED:
        return rows
    return rows.shuffle(seed=seed).select(range(TRAIN_ROWS_MEASURED))


def _speed(trainer: Trainer, callback: ReportCallback, *, resumed: bool) -> dict[str, float]:
    """Tokens, seconds, tokens per second and peak memory of the training itself."""
    tokens, seconds = float(trainer.state.num_input_tokens_seen), callback.train_seconds
    peak = torch.cuda.max_memory_allocated() / 1e6 if trainer.args.device.type == "cuda" else _peak_host_mb()
    measured = {"train_tokens": tokens, "train_seconds": seconds, "peak_memory_mb": round(peak, 1)}
    if seconds > 0:
        measured["tokens_per_second"] = tokens / seconds
    if callback.time_to_first_step is not None and not resumed:
        measured["time_to_first_step_s"] = callback.time_to_first_step
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
