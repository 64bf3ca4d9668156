"""Unsloth's way with TRL's SFTTrainer, on an NVIDIA GPU alone, in an environment of its own."""

# ruff: noqa: I001 - it rewrites the other libraries, so it comes first
from __future__ import annotations

import unsloth
import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order, read_order
from benchmarks.speed.peers.shared import arguments, question

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LENGTH = 2048


def main(order: Order) -> None:
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        order.model,
        max_seq_length=LENGTH,
        dtype=torch.bfloat16,
        load_in_4bit=order.quantized,
        use_exact_model_name=True,
        fix_tokenizer=False,
    )
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=16,
        lora_alpha=32,
        lora_dropout=0.0,
        target_modules=TARGETS,
        use_gradient_checkpointing="unsloth",
        random_state=order.seed,
    )
    rows = []
    for row in order.rows():
        prompt = tokenizer(question(tokenizer, row["input"]), add_special_tokens=False)["input_ids"]
        answer = [*tokenizer(row["output"], add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    clock = Clock(order)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**arguments(order), max_length=LENGTH, bf16=True),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main(read_order())
