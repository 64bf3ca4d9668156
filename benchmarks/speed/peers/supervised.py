"""TRL's SFTTrainer, as three peers use it."""

from __future__ import annotations

from typing import Any

from trl import SFTConfig, SFTTrainer

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order
from benchmarks.speed.peers.shared import arguments, completions, lora, tokenizer_of


def train(order: Order, **changes: Any) -> None:
    """Train with TRL's defaults but for ``changes``, and print what was measured."""
    tokenizer = tokenizer_of(order)
    clock = Clock(order)
    trainer = SFTTrainer(
        model=order.model,
        args=SFTConfig(**arguments(order), **changes),
        train_dataset=completions(order, tokenizer),
        processing_class=tokenizer,
        peft_config=lora(),
        callbacks=[clock],
    )
    trainer.train()
    trainer.save_model(order.output)  # for benchmarks/loss.py; the clock has stopped
    clock.tell()
