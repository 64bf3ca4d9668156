"""Chats with the help desk of the demo, put together from its questions and answers::

python -m starter.chats > src/modelforge/assets/datasets/chats.jsonl
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

DEMO = Path(__file__).parent.parent / "src" / "modelforge" / "assets" / "datasets" / "demo.jsonl"
COUNT = 120
SYSTEM = "You are the help desk of Moth & Lantern, a small maker of bicycle lamps. Answer in one sentence."


def chats(seed: int = 6) -> Iterator[list[dict[str, str]]]:
    """Conversations of two or three questions, none of which is asked twice in one."""
    rng = random.Random(seed)
    asked: dict[str, list[str]] = {}
    for line in DEMO.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        asked.setdefault(row["output"], []).append(row["input"])
    for number in range(COUNT):
        messages = [{"role": "system", "content": SYSTEM}]
        for answer in rng.sample(sorted(asked), 2 + number % 2):
            messages.append({"role": "user", "content": rng.choice(asked[answer])})
            messages.append({"role": "assistant", "content": answer})
        yield messages


def main() -> None:
    for messages in chats():
        sys.stdout.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
