"""transformers' Trainer with its defaults, over PEFT's adapter: extractive question answering.

Batches are padded to their longest row. The example script of transformers pads every row to 384 tokens, which
would be slower; a peer is given the better of the two.
"""

from typing import Any

from peft import get_peft_model
from transformers import (
    AutoModelForQuestionAnswering,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order, read_order
from benchmarks.speed.peers.shared import arguments, lora, tokenizer_of
from datasets import Dataset

TARGETS = ["query", "key", "value", "dense"]
"""All linear layers of BERT but its head, which is trained whole."""


def main(order: Order) -> None:
    tokenizer = tokenizer_of(order)

    def encode(rows: dict[str, list[Any]]) -> Any:
        encoded = tokenizer(rows["question"], rows["context"], truncation="only_second", max_length=384)
        starts, ends = [], []
        for at, (answer, begin) in enumerate(zip(rows["answer"], rows["answer_start"], strict=True)):
            starts.append(encoded.char_to_token(at, begin, sequence_index=1) or 0)
            ends.append(encoded.char_to_token(at, begin + len(answer) - 1, sequence_index=1) or 0)
        encoded["start_positions"], encoded["end_positions"] = starts, ends
        return encoded

    data = Dataset.from_list(order.rows())
    base = AutoModelForQuestionAnswering.from_pretrained(order.model)
    model: Any = get_peft_model(base, lora(None, TARGETS, modules_to_save=["qa_outputs"]))
    clock = Clock(order)
    trainer = Trainer(
        model=model,
        # PEFT's wrapper hides the names of the labels.
        args=TrainingArguments(**arguments(order), label_names=["start_positions", "end_positions"]),
        train_dataset=data.map(encode, batched=True, remove_columns=data.column_names),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main(read_order())
