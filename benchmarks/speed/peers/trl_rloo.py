"""TRL's RLOOTrainer with all its defaults, and a reward model given as a folder."""

from trl import RLOOConfig, RLOOTrainer

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order, read_order
from benchmarks.speed.peers.shared import arguments, lora, question, tokenizer_of
from datasets import Dataset


def main(order: Order) -> None:
    assert order.reward_model is not None
    tokenizer = tokenizer_of(order)
    own = {
        **arguments(order),
        "per_device_train_batch_size": order.batch * order.generations,  # it counts answers, ModelForge prompts
        "include_num_input_tokens_seen": "no",  # it counts what it draws itself
    }
    clock = Clock(order)
    trainer = RLOOTrainer(
        model=order.model,
        reward_funcs=order.reward_model,
        args=RLOOConfig(
            **own, num_generations=order.generations, max_completion_length=order.answer_tokens, temperature=1.0
        ),
        train_dataset=Dataset.from_list([{"prompt": question(tokenizer, row["prompt"])} for row in order.rows()]),
        processing_class=tokenizer,
        peft_config=lora(),
        callbacks=[clock],
    )
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main(read_order())
