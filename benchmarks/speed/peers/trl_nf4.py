"""TRL's SFTTrainer over a base model in 4 bits (NF4), computing in bfloat16: QLoRA as its documentation has it."""

import torch
from transformers import BitsAndBytesConfig

from benchmarks.speed.peers.order import Order, read_order
from benchmarks.speed.peers.supervised import train


def quantization() -> BitsAndBytesConfig:
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def main(order: Order) -> None:
    device = {"": 0} if order.gpu else {"": "cpu"}
    train(order, model_init_kwargs={"quantization_config": quantization(), "device_map": device})


if __name__ == "__main__":
    main(read_order())
