"""TRL's DPOTrainer with all its defaults; the reference is the base model without its adapter."""

from trl import DPOConfig, DPOTrainer

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order, read_order
from benchmarks.speed.peers.shared import arguments, lora, question, tokenizer_of
from datasets import Dataset


def main(order: Order) -> None:
    tokenizer = tokenizer_of(order)
    rows = [{**row, "prompt": question(tokenizer, row["prompt"])} for row in order.rows()]
    clock = Clock(order)
    trainer = DPOTrainer(
        model=order.model,
        args=DPOConfig(**arguments(order)),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora(),
        callbacks=[clock],
    )
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main(read_order())
