"""LLaMA-Factory in bfloat16, as all its examples have it."""

from benchmarks.speed.peers.llama_factory import train
from benchmarks.speed.peers.order import read_order

if __name__ == "__main__":
    train(read_order(), bf16=True)
