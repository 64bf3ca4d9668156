"""Tokens a second of the engine alone, in a bare loop: code of our own (C++, Triton on a GPU) and torch's operations,
in turns in one process.

A Llama with random weights and LoRA (r 16, all linear layers), in bfloat16 where the processor is fast at it, else in
float32; each step 16 random documents of about 116 tokens, of which 58 % are learnt::

    OMP_WAIT_POLICY=PASSIVE LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4 \\
        python -m benchmarks.engine 135M --repeats 3
    python -m benchmarks.engine 1B --gpu --ways own,torch,checkpointing
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from peft import LoraConfig, get_peft_model
from torch.profiler import profile
from transformers import LlamaForCausalLM

from benchmarks.speed import arithmetic, gemm
from benchmarks.speed.models import MODELS, Llama
from modelforge.engine import flash, kernel, lowrank, pointwise
from modelforge.engine.engine import Documents, Engine
from modelforge.engine.packing import rows_of
from modelforge.hardware import cpu_has_fast_bf16
from modelforge.worker.lengths import row_tokens
from modelforge.worker.trainers import in_full_precision

DOCUMENTS = 16
LEARNT = 0.58
WARM = 3
"""Steps that do not count."""


WAYS = ("own", "torch", "checkpointing")
"""The last: our own code, and activations computed twice."""


def make_model(shape: Llama, dtype: torch.dtype, dropout: float, device: torch.device) -> Any:
    torch.manual_seed(0)
    with device:
        model = LlamaForCausalLM._from_config(shape.config(), dtype=dtype)
    options: Any = {"r": 16, "lora_alpha": 32, "lora_dropout": dropout, "target_modules": "all-linear"}
    tuned: Any = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **options))
    in_full_precision(tuned)
    return tuned.train()


def steps(shape: Llama, limit: int, number: int) -> Iterator[list[Documents]]:
    """Rows of random documents, as instructions are long: log-normal."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        logs = torch.randn(DOCUMENTS, generator=generator) * 0.6 + 4.57
        sizes = logs.exp().round().long().clamp(8, 1024)
        yield [_row(shape, sizes[row], generator) for row in rows_of(sizes.tolist(), limit)]


def _row(shape: Llama, lengths: torch.Tensor, generator: torch.Generator) -> Documents:
    ids = torch.randint(0, shape.vocab, (int(lengths.sum()),), generator=generator)
    position_ids = torch.cat([torch.arange(int(length)) for length in lengths])
    prompts = torch.cat([torch.full((int(length),), int(length * (1 - LEARNT))) for length in lengths])
    ends = torch.cat([torch.arange(int(length)) == length - 1 for length in lengths])
    targets = ids.roll(-1).masked_fill((position_ids < prompts) | ends, -100)
    return Documents(ids, targets, position_ids, lengths)


def _sizes(row: Documents) -> list[tuple[int, int]]:
    """Of each document, how many tokens aren't learnt, and how many are."""
    return [
        (len(part) - int((part >= 0).sum()), int((part >= 0).sum()))
        for part in torch.split(row.targets, row.lengths.tolist())
    ]


def train(model: Any, engine: Engine, made: Sequence[list[Documents]]) -> list[float]:
    """Seconds of each step, the optimizer's included."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    seconds = []
    for rows in made:
        began = time.perf_counter()
        with engine.at_work():
            for documents in rows:
                engine.loss(documents)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        if engine.head.weight.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=[name for name, shape in MODELS.items() if isinstance(shape, Llama)])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="that count, of each repeat")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--row-tokens", type=int, help="instead of what a run would have")
    parser.add_argument("--ways", default="own,torch", help=f"some of {', '.join(WAYS)}")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print what one step of ours takes, by operation")
    options = parser.parse_args()
    shape = MODELS[options.model]
    assert isinstance(shape, Llama)
    device = torch.device("cuda" if options.gpu else "cpu")
    dtype = torch.bfloat16 if options.gpu or cpu_has_fast_bf16() else torch.float32
    model = make_model(shape, dtype, options.dropout, device)
    limit = options.row_tokens or row_tokens(model.get_base_model().config.to_dict(), long=options.gpu)
    made = list(steps(shape, limit, WARM + options.steps))
    tokens = [sum(len(row.input_ids) for row in rows) for rows in made]
    documents = [size for rows in made for row in rows for size in _sizes(row)]
    each = arithmetic.flops(shape, documents) / sum(map(sum, documents))
    limit_speed = gemm.rate(shape, dtype, device.type) * 1e9 / each

    for _ in range(options.repeats):
        for way in options.ways.split(","):
            gc.collect()  # the engine before, which held the weights that it had laid together
            if options.gpu:
                torch.cuda.reset_peak_memory_stats()
            with _as(way, model):
                seconds = train(model, Engine(model), made)
            speeds = [n / second for n, second in zip(tokens, seconds, strict=True)][WARM:]
            middle = statistics.median(speeds)
            memory = f", {torch.cuda.max_memory_allocated() / 1e6:.0f} MB" if options.gpu else ""
            told = f"{middle:.0f} tokens/s, {middle / limit_speed:.0%} of the limit{memory}"
            print(f"{way}: {told}; the first step took {seconds[0]:.1f} s", flush=True)
    if options.profile:
        with profile() as found:
            train(model, Engine(model), made[-1:])
        kind = "cuda" if options.gpu else "cpu"
        print(found.key_averages().table(sort_by=f"self_{kind}_time_total", row_limit=30, max_name_column_width=50))
        print(found.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=50))


@contextmanager
def _as(way: str, model: Any) -> Iterator[None]:
    with ExitStack() as stack:
        if way == "torch":
            for module in (kernel, lowrank, pointwise, flash):
                stack.enter_context(mock.patch.object(module, "usable", lambda *_: False))
        if way == "checkpointing":
            model.enable_input_require_grads()
            model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
            stack.callback(model.get_base_model().gradient_checkpointing_disable)
        yield


if __name__ == "__main__":
    main()
