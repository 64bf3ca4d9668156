"""Train the starter from nothing: `python -m starter.pretrain --minutes 60 --out FOLDER`.

Reads from top to bottom: tokenizer, model, optimizer, loop, export. The corpus is generated on the fly. A usable folder
is written every few minutes, so the training may be stopped at any time. The learning rate follows the clock; with
`--steps` it follows the count of steps instead, and then the seed fixes everything but the rounding of the machine.
`--start` goes on from such a folder, in a further stage with its own seed, peak learning rate and favoured kinds.
A GPU is used where there is one, with more rows in each step; `--width` and `--layers` make the model larger.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from starter import tokenizer as vocabulary
from starter.corpus.mixture import FAVOURITES
from starter.evaluate import load
from starter.stream import Batch, Stream

SEED = 20261123
PEAK_RATE = 2.5e-3
WARMUP_STEPS = 100
# The learning rate stays at its peak for this share of the training and then falls to zero.
STEADY_SHARE = 0.35
LONG_EVERY = 10
EXPORT_SECONDS = 300.0


def new_model(tokenizer: PreTrainedTokenizerFast, width: int, layers: int) -> LlamaForCausalLM:
    """An untrained Llama in float32: heads of 64, half as many key-value heads, embeddings tied to the output."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width * 43 // 16,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 128,
        max_position_embeddings=vocabulary.MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.02,
    )
    return LlamaForCausalLM(config)


def loss_of(
    model: LlamaForCausalLM, inputs: Tensor, targets: Tensor, weights: Tensor, documents: Tensor, positions: Tensor
) -> Tensor:
    """Weighted mean cross entropy in nats; all arguments (rows, length). A token sees only its own document."""
    length = inputs.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=inputs.device).tril()
    mask = (documents[:, None, :, None] == documents[:, None, None, :]) & causal
    logits = model(input_ids=inputs, attention_mask=mask, position_ids=positions, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum().clamp(min=1.0)


def rate_at(progress: float, step: int) -> float:
    """The share of the peak learning rate at this progress (0 to 1)."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return warm * min(1.0, (1.0 - progress) / (1.0 - STEADY_SHARE))


def tensors(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The batch's arrays as tensors on the device."""
    arrays = (batch.inputs, batch.targets, batch.weights, batch.documents, batch.positions)
    inputs, targets, weights, documents, positions = (torch.from_numpy(array).to(device) for array in arrays)
    return inputs, targets, weights, documents, positions


def export(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, stream: Stream, record: dict[str, object], folder: Path
) -> None:
    """Write the folder that transformers loads, in bfloat16, with the figures of the run."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = LlamaForCausalLM(model.config).to(torch.bfloat16)  # type: ignore[arg-type]
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=96, do_sample=False
    )
    copy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    counts = stream.occurrences.tolist()
    (folder / "token_counts.json").write_text(json.dumps(counts, separators=(",", ":")) + "\n")
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")


def pretrain(
    out: Path,
    minutes: float,
    steps: int | None = None,
    seed: int = SEED,
    start: Path | None = None,
    rate: float = PEAK_RATE,
    favoured: tuple[str, ...] = (),
    width: int = 256,
    layers: int = 6,
    rows: int = 16,
    texts: int = 40_000,
    compiled: bool = True,
) -> list[float]:
    """Train for so many minutes, or exactly so many steps; returns the loss of every step."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    earlier: dict[str, Any] = {"stages": []}
    if start is None:
        tokenizer = vocabulary.build(seed, texts)
        model = new_model(tokenizer, width, layers)
        stream = Stream(tokenizer, seed, favoured)
    else:
        model, tokenizer = load(start)
        stream = Stream(tokenizer, seed, favoured)
        stream.occurrences += np.array(json.loads((start / "token_counts.json").read_text()))
        earlier = json.loads((start / "training.json").read_text())
    model = model.train().to(device)
    # The network computes in bfloat16; the optimizer keeps float32 masters, as bfloat16 is too coarse for its steps.
    masters = [parameter.detach().clone() for parameter in model.parameters()]
    model = model.to(torch.bfloat16)
    matrices = [
        m for (name, _), m in zip(model.named_parameters(), masters, strict=True) if m.ndim == 2 and "embed" not in name
    ]
    others = [m for m in masters if not any(m is matrix for matrix in matrices)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    measure = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    losses: list[float] = []
    tokens, started = 0, time.monotonic()
    exported = started
    while True:
        step = len(losses)
        elapsed = time.monotonic() - started
        progress = step / steps if steps is not None else elapsed / (60.0 * minutes)
        if progress >= 1.0:
            break
        long = step % LONG_EVERY == LONG_EVERY - 1
        batch = stream.long_batch(max(1, rows // 4)) if long else stream.batch(rows)
        loss = measure(model, *tensors(batch, device))
        loss.backward()  # type: ignore[no-untyped-call]
        for master, parameter in zip(masters, model.parameters(), strict=True):
            assert parameter.grad is not None
            master.grad = parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * rate_at(progress, step)
            optimizer.step()
        with torch.no_grad():
            for master, parameter in zip(masters, model.parameters(), strict=True):
                parameter.copy_(master)
        losses.append(loss.item())
        tokens += int((batch.documents > 0).sum())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is no longer a number at step {step}")
        if step % 50 == 0:
            seconds = time.monotonic() - started
            mean = sum(losses[-50:]) / len(losses[-50:])
            print(f"step {step} loss {mean:.4f} tokens {tokens} seconds {seconds:.0f}", flush=True)
        stage = {
            "seed": seed,
            "steps": step + 1,
            "tokens": tokens,
            "seconds": round(time.monotonic() - started, 1),
            "rate": rate,
            "favoured": list(favoured),
            "device": device.type,
            "loss": round(sum(losses[-50:]) / len(losses[-50:]), 4),
        }
        record = {"parameters": model.num_parameters(), "stages": [*earlier["stages"], stage]}
        if time.monotonic() - exported > EXPORT_SECONDS:
            export(model, tokenizer, stream, record, out)
            exported = time.monotonic()
    export(model, tokenizer, stream, record, out)
    return losses


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, help="train exactly so many steps instead of by the clock")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--start", type=Path, help="a folder of this script to go on from")
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="the learning rate at its peak")
    parser.add_argument("--favour", nargs="*", choices=FAVOURITES, default=[], help="kinds to train more")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument(
        "--rows", type=int, default=128 if torch.cuda.is_available() else 16, help="rows of 256 tokens in a step"
    )
    arguments = parser.parse_args()
    pretrain(
        arguments.out,
        arguments.minutes,
        arguments.steps,
        arguments.seed,
        arguments.start,
        arguments.rate,
        tuple(arguments.favour),
        arguments.width,
        arguments.layers,
        arguments.rows,
    )


if __name__ == "__main__":
    main()
