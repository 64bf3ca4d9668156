"""Tokens a second of the playground's decoding against transformers' ``generate``, in turns in one process.

A Llama of 135 million random weights in bfloat16, prompts of 64 tokens, 128 new ones, one request and eight::

    python benchmarks/decoding.py --repeats 3
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from modelforge.inference.batch import Batch, Turn
from modelforge.inference.decoder import Decoder, trial
from modelforge.inference.packing import can_pack, pack
from modelforge.inference.sampling import Sampler

PROMPT = 64
NEW = 128


def make_model() -> Any:
    """The shape of SmolLM2-135M."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=2048, tie_word_embeddings=True, bos_token_id=None,
        eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(torch.bfloat16).eval()


def theirs(model: Any, prompts: list[list[int]]) -> None:
    """All prompts in one batch."""
    ids = torch.tensor(prompts)
    settings = GenerationConfig(max_new_tokens=NEW, do_sample=False, pad_token_id=0)
    with torch.inference_mode():
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)


def ours(batch: Batch, prompts: list[list[int]]) -> None:
    """Each prompt as a request, nothing of earlier ones remembered."""
    batch.drop()
    greedy = Sampler(0, 1, None, torch.device("cpu"))
    waiting = [Turn(prompt, greedy, frozenset(), NEW, 0, float("inf"), lambda: False) for prompt in prompts]
    while waiting or batch.running:
        if waiting and batch.admit(waiting[0]):
            waiting.pop(0)
        batch.step()


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print a line for one request and one for eight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--layers", action="store_true", help="through transformers' layers, packed, without step.cpp")
    args = parser.parse_args()
    repeats: int = args.repeats
    plain = make_model()
    own = copy.deepcopy(plain)
    decoder = Decoder(own)
    if (reason := trial(decoder)) is not None:
        raise SystemExit(f"the decoder is not for this model: {reason}")
    if args.layers:
        decoder.take_detour("it was asked for")
    if decoder.detour is not None:
        print(f"through transformers' layers: {decoder.detour}", flush=True)
        if can_pack(own):
            pack(own)
    batch = Batch(decoder, lambda size, evict: True)
    prompts = torch.randint(0, 49152, (8, PROMPT)).tolist()
    for count in (1, 8):
        some = prompts[:count]
        pairs = [(seconds(lambda: ours(batch, some)), seconds(lambda: theirs(plain, some))) for _ in range(repeats)]  # noqa: B023
        mine, other = (count * NEW / statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = ", ".join(f"{stock / own:.2f}" for own, stock in pairs)
        print(
            f"batch {count}: generate {other:.1f}, ours {mine:.1f} tokens/s; ratios of the pairs {ratios}", flush=True
        )


if __name__ == "__main__":
    main()
