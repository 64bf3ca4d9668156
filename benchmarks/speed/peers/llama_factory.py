"""LLaMA-Factory's sft with LoRA, in an environment of its own: what ``llamafactory-cli train`` runs, with a clock.

Its defaults otherwise. It takes the rows in Alpaca's form, and writes them down by its own ``chatml`` template.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order, read_order


def without_audio() -> None:
    """It imports torchaudio whatever is trained, and not every torch has one that fits; for text an empty one does."""
    if importlib.util.find_spec("torchaudio") is None:
        module = types.ModuleType("torchaudio")
        module.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = module


def train(order: Order, *, bf16: bool = False) -> None:
    """Train, and print what was measured."""
    without_audio()
    from llamafactory.train.tuner import run_exp  # noqa: PLC0415 - after what it lacks

    folder = Path(order.output)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"instruction": row["input"], "input": "", "output": row["output"]} for row in order.rows()]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}), encoding="utf-8")
    clock = Clock(order)
    run_exp(
        {
            "stage": "sft",
            "do_train": True,
            "model_name_or_path": order.model,
            "dataset_dir": str(folder),
            "dataset": "rows",
            "template": "chatml",
            "finetuning_type": "lora",
            "lora_rank": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.0,
            "lora_target": "all",
            "output_dir": str(folder / "out"),
            "max_steps": order.steps,
            "per_device_train_batch_size": order.batch,
            "gradient_accumulation_steps": order.accumulation,
            "learning_rate": order.learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.03,  # below 1 it is a share
            "max_grad_norm": 0.3,
            "weight_decay": 0.001,
            "seed": order.seed,
            "bf16": bf16,
            "use_cpu": not order.gpu,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "include_num_input_tokens_seen": "non_padding",
        },
        callbacks=[clock],
    )
    clock.tell()


if __name__ == "__main__":
    train(read_order())
