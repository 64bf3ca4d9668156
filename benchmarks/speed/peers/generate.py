"""transformers' ``generate`` in bfloat16: prompts in batches, the likeliest answer, all of the same length."""

import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.speed.peers.clock import peak_memory_mb, versions
from benchmarks.speed.peers.order import Order, answer, read_order
from benchmarks.speed.peers.shared import question, tokenizer_of


def main(order: Order) -> None:
    tokenizer: Any = tokenizer_of(order)
    device = "cuda" if order.gpu else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(order.model, dtype=torch.bfloat16)
    model = model.to(device).eval()
    prompts = [question(tokenizer, row["prompt"]) for row in order.rows()]
    batches = [prompts[at : at + order.batch] for at in range(0, len(prompts), order.batch)]
    tokens, seconds = 0, 0.0
    for number, batch in enumerate(batches):
        began = time.monotonic()
        inputs = tokenizer(batch, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt")
        said = model.generate(
            **inputs.to(device),
            do_sample=False,
            max_new_tokens=order.answer_tokens,
            min_new_tokens=order.answer_tokens,
            pad_token_id=tokenizer.pad_token_id,
        )
        tokenizer.batch_decode(said[:, inputs["input_ids"].shape[1] :])
        if number > 0:  # the first warms up
            seconds += time.monotonic() - began
            tokens += order.answer_tokens * len(batch)
    answer(
        {
            "train_tokens": tokens,
            "train_seconds": seconds,
            "train_steps": len(batches) - 1,
            "tokens_per_second": tokens / seconds,
            "peak_memory_mb": peak_memory_mb(gpu=order.gpu),
            "versions": versions(),
            "threads": torch.get_num_threads(),
        }
    )


if __name__ == "__main__":
    main(read_order())
