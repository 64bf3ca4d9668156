"""What a peer is asked to do, and what it says of it; imports nothing, so that every environment can read it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Order:
    """One run of a peer, written to a file by the benchmark."""

    model: str
    """The folder of the model."""
    data: str
    """A JSON Lines file of rows."""
    output: str
    """A folder of its own."""
    requested_at: float
    """When it was started, in seconds since the epoch."""
    steps: int = 1
    """Optimizer steps."""
    batch: int = 4
    accumulation: int = 4
    learning_rate: float = 2e-4
    seed: int = 42
    gpu: bool = False
    """Train on the GPU; else on the CPU, whatever else there is."""
    quantized: bool = False
    """Load the model in 4 bits (NF4), computing in bfloat16."""
    reward_model: str | None = None
    """The folder of a sequence classification model with one label."""
    generations: int = 8
    """Answers to each prompt."""
    answer_tokens: int = 64
    """Tokens of the longest answer that is drawn."""

    def rows(self) -> list[dict[str, Any]]:
        """What ``data`` holds."""
        return [json.loads(line) for line in Path(self.data).read_text(encoding="utf-8").splitlines()]

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_order() -> Order:
    """The order that the command line names."""
    return Order(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


def answer(figures: dict[str, Any]) -> None:
    """Tell the benchmark what was measured: it reads the last line."""
    print(json.dumps(figures), flush=True)
