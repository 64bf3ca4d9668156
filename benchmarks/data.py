"""How fast and in how much memory a dataset is prepared: by one process, by several, and when another run has done it.

Short questions and answers from a seed, in the bundled model's tokens; each measurement in a process of its own::

    python benchmarks/data.py --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROWS = 1_000_000
WORDS = """the of a what is which how many capital river mountain language people year name colour long high old model
house train learn number question answer water light stone bridge garden winter summer north south quick brown
green"""


def write_rows(path: Path, rows: int, seed: int) -> None:
    """Questions of 12 words and answers of 10, no two alike."""
    draw, known = random.Random(seed), WORDS.split()
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            question, answer = (" ".join(draw.choices(known, k=words)) for words in (12, 10))
            out.write(json.dumps({"input": f"{question} {number}?", "output": f"{answer}."}) + "\n")


def measure(rows: Path, run: Path, entries: Path, processes: int | None) -> dict[str, Any]:
    """Prepare the rows as a worker does, and draw the first epoch's order; seconds, megabytes, and a digest of what
    came out."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - only where it is measured

    import modelforge  # noqa: PLC0415
    from modelforge.contracts.training import TrainingConfig  # noqa: PLC0415
    from modelforge.files import sha256  # noqa: PLC0415
    from modelforge.tasks.base import Head  # noqa: PLC0415
    from modelforge.worker import data  # noqa: PLC0415
    from modelforge.worker.order import EpochOrder, lengths_of  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(str(Path(modelforge.__file__).parent / "assets/modelforge-starter"))
    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_seq_length=512)
    encoding = data.Encoding.of(config, "input_output", tokenizer, Head.CAUSAL)
    before, cpu, started = _peak_mb(), sum(os.times()[:4]), time.perf_counter()
    prepared = data.prepare(
        rows, encoding, cache=run, shared=data.Entries(entries), check_stop=lambda: None, processes=processes
    )
    ready = time.perf_counter()
    count = sum(1 for _ in EpochOrder(lengths_of(prepared.train), 16, 1, group_by_length=True))
    ordered = time.perf_counter()
    return {
        "seconds": ready - started,
        "order_seconds": ordered - ready,
        "train": count,
        "held_out": len(prepared.held_out or ()),
        "growth_mb": _peak_mb() - before,
        "cpu_seconds": sum(os.times()[:4]) - cpu,
        "digest": sha256(run / data.TRAIN),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--measure", nargs=4, metavar=("ROWS", "RUN", "ENTRIES", "PROCESSES"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        rows, run, entries, processes = options.measure
        print(json.dumps(measure(Path(rows), Path(run), Path(entries), int(processes))))
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_rows(place / "rows.jsonl", options.rows, options.seed)
        digests = set()
        ways = (("one process", 1, "alone"), (f"{options.processes} processes", options.processes, "shared"))
        for name, processes, entries in (*ways, ("made by another run", 1, "shared")):
            files = [str(place / each) for each in ("rows.jsonl", f"run {name}", entries)]
            answer = subprocess.run(
                [sys.executable, __file__, "--measure", *files, str(processes)],
                env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
                stdout=subprocess.PIPE,
                check=True,
            )
            found = json.loads(answer.stdout.splitlines()[-1])
            digests.add(found["digest"])
            print(
                f"{name}: {found['seconds']:.1f} s ({found['cpu_seconds']:.1f} s of processors), "
                f"{options.rows / found['seconds']:,.0f} rows/s; order of {found['train']} rows "
                f"{found['order_seconds']:.2f} s; peak memory of this process +{found['growth_mb']:.0f} MB",
                flush=True,
            )
        if len(digests) != 1:
            raise SystemExit("what was prepared is not the same")


if __name__ == "__main__":
    main()
