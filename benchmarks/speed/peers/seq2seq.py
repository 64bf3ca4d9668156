"""transformers' Seq2SeqTrainer with its defaults, over PEFT's adapter: summaries by an encoder-decoder model."""

from typing import Any

from peft import get_peft_model
from transformers import (
    AutoModelForSeq2SeqLM,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from benchmarks.speed.peers.clock import Clock
from benchmarks.speed.peers.order import Order, read_order
from benchmarks.speed.peers.shared import arguments, lora, tokenizer_of
from datasets import Dataset


def main(order: Order) -> None:
    tokenizer = tokenizer_of(order)

    def encode(rows: dict[str, list[str]]) -> Any:
        encoded = tokenizer(rows["input"])
        encoded["labels"] = tokenizer(text_target=rows["output"])["input_ids"]
        return encoded

    data = Dataset.from_list(order.rows())
    model: Any = get_peft_model(AutoModelForSeq2SeqLM.from_pretrained(order.model), lora("SEQ_2_SEQ_LM"))
    clock = Clock(order)
    trainer = Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(**arguments(order)),
        train_dataset=data.map(encode, batched=True, remove_columns=data.column_names),
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main(read_order())
