"""Whether ModelForge learns what TRL in float32 learns: the loss on held-out rows after the same rows.

::

    python -m benchmarks.loss --seeds 1,2,3 --log

The starter model, whose weights were disturbed so that there is much to learn again, gets a LoRA adapter on the corpus
that it was made from: by ModelForge's command line, and by TRL's SFTTrainer. Both adapters are then measured by
transformers and PEFT in float32, a row at a time, on rows of every kind that were kept from the training. The target:
within 1 % of each other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.speed import machine
from benchmarks.speed.__main__ import log
from benchmarks.speed.peers.order import Order
from benchmarks.speed.peers.shared import question
from modelforge.catalogue import ASSETS
from starter.corpus.example import Example
from starter.corpus.mixture import KINDS, held_out_examples, train_example

WITHIN = 0.01
STEPS = 100
BATCH, ACCUMULATION = 4, 4
LEARNING_RATE = 2e-3
DISTURBED = 1.0
"""Random numbers that are added to each matrix, as a share of the standard deviation of its own."""
HELD_OUT = 40
"""Rows of each kind that are measured."""
HEADINGS = ("seed", "before", "ModelForge", "TRL fp32", "ModelForge / TRL", "train_tokens of both", "met")


def write(examples: Iterable[Example], file: Path) -> Path:
    rows = [{"input": example.question, "output": example.answer} for example in examples]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def disturbed(folder: Path) -> Path:
    """The starter model, written to ``folder`` in float32."""
    starter = ASSETS / "modelforge-starter"
    model: Any = AutoModelForCausalLM.from_pretrained(starter, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.model.layers.parameters():
        if parameter.dim() == 2:
            parameter.data += DISTURBED * parameter.std() * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(starter).save_pretrained(folder)
    return folder


def ours(base: Path, data: Path, seed: int, folder: Path) -> tuple[Path, int]:
    """The folder of the adapter, and how many tokens it was trained on."""
    settings = {
        "task": "text-generation", "model_name": str(base), "dataset": str(data), "lora_r": 16, "lora_alpha": 32,
        "lora_dropout": 0.0, "learning_rate": LEARNING_RATE, "max_steps": STEPS, "per_device_train_batch_size": BATCH,
        "gradient_accumulation_steps": ACCUMULATION, "eval_split": 0.0, "save_steps": STEPS, "seed": seed,
    }  # fmt: skip
    file = folder / "settings.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    said = _run(["modelforge", "train", str(file), "--json"], {"MODELFORGE_HOME": str(folder / "home")})
    (model,) = (folder / "home" / "models").iterdir()
    return model, int(said["metrics"]["train_tokens"])


def theirs(base: Path, data: Path, seed: int, folder: Path) -> tuple[Path, int]:
    """As ``ours``."""
    order = Order(
        str(base), str(data), str(folder / "trl"), time.time(), STEPS, BATCH, ACCUMULATION, LEARNING_RATE, seed
    )
    order.write(folder / "order.json")
    said = _run(["benchmarks.speed.peers.trl_fp32", str(folder / "order.json")], {})
    return folder / "trl", int(said["train_tokens"])


def _run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    settings = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE", **environment}
    done = subprocess.run([sys.executable, "-m", *command], env=settings, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} ends with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@torch.inference_mode()
def measured(base: Path, adapter: Path | None, examples: list[Example]) -> float:
    """The mean loss of an answer's token, its end included, in nats."""
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()
    total, count = 0.0, 0
    for example in examples:
        asked = tokenizer(question(tokenizer, example.question), add_special_tokens=False)["input_ids"]
        said = tokenizer(example.answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        logits = model(input_ids=torch.tensor([asked + said])).logits[0, len(asked) - 1 : -1]
        total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(said), reduction="sum"))
        count += len(said)
    return total / count


def main() -> None:
    """Parse the command line, run, print, and write to the log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2,3", help="numbers, divided by commas")
    parser.add_argument("--log", action="store_true", help="add the outcome to benchmarks/LOG.md")
    options = parser.parse_args()
    console = Console(highlight=False, width=110)
    lines = []
    with tempfile.TemporaryDirectory(prefix="modelforge-bench-") as scratch:
        base = disturbed(Path(scratch) / "base")
        kept = [example for kind in KINDS for example in held_out_examples(kind, HELD_OUT)]
        before = measured(base, None, kept)
        for seed in map(int, options.seeds.split(",")):
            folder = Path(scratch) / str(seed)
            folder.mkdir()
            chance = random.Random(seed)
            data = write((train_example(chance) for _ in range(STEPS * BATCH * ACCUMULATION)), folder / "rows.jsonl")
            (own, tokens), (other, other_tokens) = (run(base, data, seed, folder) for run in (ours, theirs))
            if tokens != other_tokens:
                raise SystemExit(f"ModelForge was trained on {tokens} tokens, TRL on {other_tokens}")
            mine, yours = measured(base, own, kept), measured(base, other, kept)
            met = "yes" if abs(mine / yours - 1) <= WITHIN else "no"
            figures = (before, mine, yours, mine / yours)
            lines.append((str(seed), *(f"{figure:.4f}" for figure in figures), str(tokens), met))
            console.print(f"seed {seed}: " + ", ".join(lines[-1][1:]), markup=False)
    if options.log:
        log("benchmarks.loss", "the loss against TRL's in float32", machine.described(), lines, HEADINGS)


if __name__ == "__main__":
    main()
