"""TRL's SFTTrainer in float32, with its defaults otherwise: activation checkpointing is one of them."""

from benchmarks.speed.peers.order import read_order
from benchmarks.speed.peers.supervised import train

if __name__ == "__main__":
    train(read_order(), bf16=False)
