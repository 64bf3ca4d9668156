"""The finished model: written beside its place, read back, put in place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from modelforge.contracts.job import RunSpec
from modelforge.files import replace_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class NotReadBack(RuntimeError):
    """What is on the disk is not what was trained."""


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: RunSpec,
    metrics: dict[str, float],
    folders: Mapping[str, Path] | None = None,
    start: Path | None = None,
) -> None:
    """Write adapter or weights, tokenizer, spec, metrics, card and more ``folders`` by their names to
    ``spec.output_dir``; it appears whole or not at all.

    Where the adapter's start took weights out of the base, ``start`` is its folder, and what is saved is a plain
    adapter of twice the rank for the base as it was. Raises NotReadBack when the files do not hold what was trained,
    OSError when the disk does not take them.
    """
    target = Path(spec.output_dir)
    partial = target.with_name(f".{target.name}.{spec.job_id}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        if isinstance(model, PeftModel):
            _save_adapter(model, partial, start)
        else:
            model.save_pretrained(str(partial))
        tokenizer.save_pretrained(str(partial))
        (partial / "spec.json").write_text(spec.model_dump_json(indent=2), encoding="utf-8")
        (partial / "metrics.json").write_text(json.dumps(metrics, indent=2), encoding="utf-8")
        (partial / "README.md").write_text(card(spec, metrics), encoding="utf-8")
        for name, folder in (folders or {}).items():
            shutil.copytree(folder, partial / name)
        _read_back(model, partial, converted=start is not None)
        replace_folder(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save_adapter(model: PeftModel, folder: Path, start: Path | None) -> None:
    mutated = str(start) if start else None
    model.save_pretrained(str(folder), selected_adapters=["default"], path_initial_model_for_weight_conversion=mutated)
    if start is None:
        return
    # PEFT converts A and B, and leaves out what is trained whole: the head of a span model.
    path = folder / "adapter_model.safetensors"
    written = load_file(path)
    whole = {name: each for name, each in get_peft_model_state_dict(model).items() if name not in written}
    if whole:
        tensors = {name: each.detach().cpu().contiguous() for name, each in whole.items()}
        save_file({**written, **tensors}, path, metadata={"format": "pt"})


def _read_back(model: PreTrainedModel, folder: Path, *, converted: bool = False) -> None:
    """Raises NotReadBack; of a ``converted`` adapter, A begins with what was trained, and so does B."""
    kept: dict[str, Any] = get_peft_model_state_dict(model) if isinstance(model, PeftModel) else model.state_dict()
    read: set[str] = set()
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path).items():
            if name in kept and converted and ".lora_" in name:
                rank_first = "lora_A" in name
                trained = kept[name].shape[0 if rank_first else 1]
                tensor = tensor[:trained] if rank_first else tensor[:, :trained]
            if name in kept:
                _compare(name, tensor, kept[name])
            read.add(name)
    if (isinstance(model, PeftModel) and set(kept) - read) or not read:
        raise NotReadBack(f"weights are missing in {folder}: {sorted(set(kept) - read)[:3]}")
    if read - set(kept):
        # Some architectures have other names in files than in memory: load them as anybody would.
        loaded = type(model).from_pretrained(folder, dtype=model.dtype).state_dict()
        for name, tensor in kept.items():
            _compare(name, loaded[name], tensor)


def _compare(name: str, written: torch.Tensor, trained: torch.Tensor) -> None:
    if not torch.equal(written, trained.detach().to("cpu", written.dtype)):
        raise NotReadBack(f"tensor {name} on the disk is not what was trained; is the disk sound?")


PIPELINES = {"extractive-question-answering": "question-answering"}
"""What the hub calls tasks otherwise (huggingface.co/tasks)."""


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def card(spec: RunSpec, metrics: dict[str, float]) -> str:
    """A model card with the front matter that the hub reads."""
    config = spec.config
    library = "peft" if config.use_lora else "transformers"
    pipeline = PIPELINES.get(config.task, config.task)
    front = ["---", f"library_name: {library}", f"pipeline_tag: {pipeline}", "tags:", "- modelforge"]
    if spec.model.source == "hub":
        front.append(f"base_model: {spec.model.path}")
    rows = "\n".join(
        f"| {name} | {_figure(metrics.get(f'base_{name}'))} | {_figure(value)} |"
        for name, value in metrics.items()
        if not name.startswith("base_")
    )
    settings = "\n".join(
        f"| {name} | {value} |" for name, value in config.model_dump(exclude_defaults=True).items() if value is not None
    )
    learnt = " and ".join(
        f"`{ref.name}` ({ref.num_examples} examples, sha256 `{ref.sha256[:12]}…`)" for ref in (spec.dataset, *spec.mix)
    )
    return "\n".join(
        [
            *front,
            "---",
            f"# {spec.name}",
            "",
            f"`{spec.model.name}` fine-tuned by `{config.strategy}` for {config.task} on {learnt} with ModelForge "
            f"{spec.modelforge_version}.",
            "",
            "| measured | before | after |",
            "| --- | --- | --- |",
            rows,
            "",
            "| setting | value |",
            "| --- | --- |",
            settings,
            "",
            "`spec.json` holds every setting; `modelforge train spec.json` repeats the run.",
            "",
        ]
    )
