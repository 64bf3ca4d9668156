"""Measure an exported folder and write its model card: `python -m starter.card FOLDER --machine "..."`."""

import argparse
import json
from pathlib import Path
from typing import Any

from starter import pretrain
from starter.corpus.example import HELD_OUT_ONE_IN
from starter.corpus.mixture import KINDS
from starter.evaluate import measure

_CARD = """\
---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# modelforge-starter

A very small language model that comes with ModelForge, so that training, chatting and exporting can be tried at once,
without a network. It is for trying the product, not for use: it knows a few thousand English words and little of the
world.

## How it was made

From nothing, in ModelForge's repository, on text that `starter/corpus` generates by rule; no text was taken from anywhere
else. By these commands, the last of which measures the model and writes this card:

```
{commands}
python -m starter.card modelforge-starter --machine "{machine}"
```

With `--steps` in the place of `--minutes`, a stage has the same number of steps on the same data again:
{exactly}.

| | |
|---|---|
| Architecture | Llama, {layers} layers of width {width}, {heads} heads ({kv_heads} for keys and values), MLP {mlp}, tied embeddings |
| Parameters | {parameters:,}, stored in bfloat16 ({megabytes:.1f} MB) |
| Tokenizer | byte-level BPE built from the corpus, {vocabulary} tokens; any text can be encoded |
| Context | {context} tokens |
| Training | {tokens:,} tokens in {steps:,} steps, {minutes:.0f} minutes |
| Machine | {machine} |
| Rarest token | seen {rarest:,} times in training, so no token is untrained |

Muon trains the matrices, AdamW the embeddings and norms; the learning rate is at its peak after {warmup} steps of warm-up
and falls to zero over the last {falling:.0%} of a stage. Beside questions and answers the stream holds chats of several
turns, system prompts, plain text, rows that fill the whole context, tokens split as BPE dropout would split them, and
random tokens to repeat.

## What it can do

Measured on up to {count} held-out questions of each kind (one instance in {one_in} is kept from training), with greedy
decoding. An answer counts only if it is right to the last character.

| Kind | Held out is | Exact match |
|---|---|---:|
{rows}

Perplexity of the held-out answers, per token and over all kinds: {perplexity:.3f}.

Small talk, opposites, definitions, how-to and facts are taught facts asked in a new form. The other kinds have to be
worked out anew for each question. Each generator in `starter/corpus` says what makes two of its instances the same; the
checksum of that decides the side of the split.

## What it cannot do

- Answer questions about the world, beyond some capitals, animals and everyday things.
- Reason, calculate reliably, write longer texts, or speak another language than simple English.
- Follow instructions that are not of the kinds above; it then answers something that sounds alike.
- Be relied on: it says wrong things as readily as right ones, and makes small slips of grammar ("a hour").

It learns well, though: a few hundred questions and answers of one's own take it about a minute of LoRA training on a
common processor. Several wordings of each question help it to understand further ones.

## Licence

Apache-2.0, like ModelForge itself.
"""


def complete(folder: Path, machine: str, count: int) -> dict[str, Any]:
    """The run's figures, completed by the machine's name, the rarest token and the measurements; also written back."""
    path = folder / "training.json"
    figures: dict[str, Any] = json.loads(path.read_text())
    counts: list[int] = json.loads((folder / "token_counts.json").read_text())
    figures |= {"machine": machine, "rarest_token": min(counts)} | measure(folder, count)
    path.write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def commands(stages: list[dict[str, Any]]) -> list[str]:
    """The command lines that made the model, one for each stage."""
    lines: list[str] = []
    for number, stage in enumerate(stages, 1):
        parts = ["python -m starter.pretrain", f"--minutes {stage['seconds'] / 60:.0f} --seed {stage['seed']}"]
        if number > 1:
            parts += [f"--start stage-{number - 1}", f"--rate {stage['rate']}"]
        if stage["favoured"]:
            parts += ["--favour", *(f'"{kind}"' for kind in stage["favoured"])]
        out = "modelforge-starter" if number == len(stages) else f"stage-{number}"
        lines.append(" ".join([*parts, f"--out {out}"]))
    return lines


def render(folder: Path, figures: dict[str, Any]) -> str:
    """The model card's Markdown."""
    stages: list[dict[str, Any]] = figures["stages"]
    config = json.loads((folder / "config.json").read_text())
    rows = [f"| {name} | {KINDS[name].held_out} | {score:.1%} |" for name, score in figures["exact_match"].items()]
    return _CARD.format(
        commands="\n".join(commands(stages)),
        exactly=", then ".join(f"`--steps {stage['steps']}`" for stage in stages),
        minutes=sum(stage["seconds"] for stage in stages) / 60,
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        mlp=config["intermediate_size"],
        parameters=figures["parameters"],
        megabytes=(folder / "model.safetensors").stat().st_size / 1e6,
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        tokens=sum(stage["tokens"] for stage in stages),
        steps=sum(stage["steps"] for stage in stages),
        machine=figures["machine"],
        rarest=figures["rarest_token"],
        warmup=pretrain.WARMUP_STEPS,
        falling=1 - pretrain.STEADY_SHARE,
        count=figures["held_out_per_kind"],
        one_in=HELD_OUT_ONE_IN,
        rows="\n".join(rows),
        perplexity=figures["perplexity"],
    )


def main() -> None:
    """Parse the command line, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--machine", required=True, help="what the model was trained on, in words")
    parser.add_argument("--count", type=int, default=200, help="held-out questions of each kind")
    arguments = parser.parse_args()
    figures = complete(arguments.folder, arguments.machine, arguments.count)
    (arguments.folder / "README.md").write_text(render(arguments.folder, figures))


if __name__ == "__main__":
    main()
