"""TRL's SFTTrainer in float32, without activation checkpointing: what its documentation's first example comes to on a
CPU without bfloat16."""

from benchmarks.speed.peers.order import read_order
from benchmarks.speed.peers.supervised import train

if __name__ == "__main__":
    train(read_order(), bf16=False, gradient_checkpointing=False)
