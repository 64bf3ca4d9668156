"""TRL's SFTTrainer with all its defaults: bfloat16 autocast and activation checkpointing."""

from benchmarks.speed.peers.order import read_order
from benchmarks.speed.peers.supervised import train

if __name__ == "__main__":
    train(read_order())
