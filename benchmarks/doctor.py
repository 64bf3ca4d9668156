"""What it takes to check a large file row by row, and to look at all its rows together; beside other ways to read it.

::

    python -m benchmarks.doctor --size-mb 1000
    python -m benchmarks.doctor --rows 10000000 --only check,examine

Makes one file of JSON Lines from a seed and reads it in processes of their own, one after the other: the product's
check and its closer look as the server starts them, ``datasets.load_dataset("json")``, and ``pandas.read_json`` in
chunks, which only read. Prints the seconds, and the peak of memory above what the process had when its imports were
done, all its own processes together. The targets for 1 GB on two cores: every row checked within 20 s and 150 MB; exact
duplicates, near duplicates of a sample and token lengths within 90 s.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.speed import machine
from modelforge.catalogue import STARTER, bundled_model
from modelforge.contracts.job import ModelRef
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.inquiry import Inquiry

SHAPE = "input_output"
SAMPLED = 0.01
"""Seconds between two looks at the memory."""
HEADINGS = ("what", "seconds", "MB/s", "peak MB above imports", "found")
_READY = "ready"


def make(path: Path, size_mb: int | None, rows: int | None, seed: int) -> int:
    """Rows of English-looking text, all different but for one in 500, which says again what an earlier one said, and
    one in 500 that says nearly the same; some hold what a doctor finds. Returns how many. With a number of rows they
    are short."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("etaoinshrdlucmfwyp", k=chance.randint(2, 9))) for _ in range(6000)]
    odd = ["naïve", "café", "2024", "$12.50", "https://example.org/a/b?c=d", "#1", "e.g.", "10,000", "don't", "“so”"]
    low, high = (8, 30) if rows is None else (2, 6)
    lowest, highest = (30, 100) if rows is None else (4, 10)
    size = count = 0
    kept: list[dict[str, str]] = []
    with path.open("w", encoding="utf-8") as out:
        while (size < size_mb * 1_000_000) if rows is None and size_mb is not None else count < (rows or 0):
            drawn = chance.random()
            if kept and drawn < 0.002:
                row = chance.choice(kept)
            elif kept and drawn < 0.004:
                row = dict(chance.choice(kept))
                row["output"] = row["output"].replace(" ", f" {chance.choice(words)} ", 1)
            else:
                row = {
                    "input": f"{' '.join(chance.choices(words, k=chance.randint(low, high)))} {count}?",
                    "output": f"{' '.join(chance.choices(words, k=chance.randint(lowest, highest))).capitalize()}.",
                }
                if drawn > 0.7:
                    row["output"] += f" {chance.choice(odd)}\n{chance.choice(words)}"
                if drawn > 0.999:
                    row["output"] += " Write to somebody@example.com."
                if len(kept) < 10_000:
                    kept.append(row)
            line = json.dumps(row, ensure_ascii=count % 3 == 0) + "\n"
            size += len(line.encode())
            out.write(line)
            count += 1
    return count


def commands(path: Path, scratch: Path, near: str) -> dict[str, list[str]]:
    """What is run, by its name. Each says that it is ready when its imports are done, and waits for a line."""
    model = ModelRef(name=STARTER, source="bundled", path=str(bundled_model(STARTER)))
    config = TrainingConfig(task="text-generation", model_name=STARTER, dataset=path.name, max_seq_length=512)
    inquiry = Inquiry(
        path=str(path), shape=SHAPE, scratch=str(scratch), near_duplicates=near, model=model, config=config
    )
    request = scratch / "request.json"
    files = {"files": [[str(path), path.name]], "rows": str(scratch / "rows"), "folder": str(scratch)}
    request.write_text(json.dumps({**files, "reading": {}, "limit": 0}))
    wait = f"print({_READY!r}, flush=True); input()"
    return {
        "check": [f"from modelforge.datasets import check; {wait}; sys.exit(check.main({str(request)!r}))"],
        "examine": [
            f"from modelforge.datasets import examine; {wait}; sys.exit(examine.main({inquiry.model_dump_json()!r}))"
        ],
        "datasets": [
            f"import datasets; {wait}; "
            f"d = datasets.load_dataset('json', data_files={str(path)!r}, cache_dir={str(scratch)!r}); "
            "print(len(d['train']))"
        ],
        "pandas": [
            f"import pandas; {wait}; "
            f"print(sum(map(len, pandas.read_json({str(path)!r}, lines=True, chunksize=10_000))))"
        ],
    }


def run(code: str, size: int, name: str) -> tuple[str, ...]:
    """Run it, and watch its memory."""
    process = subprocess.Popen(
        # As in every process of its own the main module has a guard: parts of the file are read by copies of it.
        [sys.executable, "-c", f"import sys\nif __name__ == '__main__':\n    {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    while (line := process.stdout.readline()).strip() != _READY:
        if not line:
            raise SystemExit(f"{name} did not start")
    base = _memory(psutil.Process(process.pid))
    process.stdin.write("\n")
    process.stdin.flush()
    started, peak, said = time.perf_counter(), base, ""
    with tempfile.TemporaryFile("w+") as told:
        reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=told)
        while process.poll() is None:
            peak = max(peak, _memory(psutil.Process(process.pid)))
            time.sleep(SAMPLED)
        seconds = time.perf_counter() - started
        reader.wait()
        told.seek(0)
        said = told.read().strip().rpartition("\n")[2]
    if process.returncode:
        raise SystemExit(f"{name} ended with exit code {process.returncode}: {said[:500]}")
    return (
        name,
        f"{seconds:.1f}",
        f"{size / 1e6 / seconds:.0f}",
        f"{(peak - base) / 1e6:.0f}",
        _found(said),
    )


def _memory(process: psutil.Process) -> int:
    """Of a process and those that it started, in bytes; what they share counts once."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            info: Any = each.memory_full_info()
            total += getattr(info, "uss", info.rss)
    except psutil.Error:
        return 0
    return total


def _found(said: str) -> str:
    try:
        result = json.loads(said)["result"]
    except (ValueError, TypeError, KeyError):
        return f"{said} rows"
    if "near_duplicates" not in result:
        found = ", ".join(f"{each['count']} {each['code']}" for each in result["findings"])
        return f"{result['num_rows']} rows: {found}"
    near = result["near_duplicates"]["near"]
    return (
        f"{result['rows']} rows: {result['exact_duplicates']} exact duplicates, {near['found']} near ones of "
        f"{near['rows']} ({near['low']:.2%} to {near['high']:.2%}), median {result['token_lengths']['median']} tokens"
    )


def printed(rows: Sequence[Sequence[str]]) -> None:
    for row in [HEADINGS, ["---"] * len(HEADINGS), *rows]:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Parse the command line, make the file, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--rows", type=int, help="so many short rows, instead of a size")
    parser.add_argument("--near", choices=["sample", "all"], default="sample", help="near duplicates of which rows")
    parser.add_argument("--only", default="check,examine,datasets,pandas", help="names, divided by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the file and the scratch folders lie; a temporary one else")
    options = parser.parse_args()
    print("\n".join(machine.described()))
    with tempfile.TemporaryDirectory(prefix="modelforge-doctor-", dir=options.folder) as folder:
        path = Path(folder, "large.jsonl")
        count = make(path, options.size_mb, options.rows, options.seed)
        size = path.stat().st_size
        print(f"{size / 1e6:.0f} MB, {count} rows, {size / count:.0f} bytes each")
        found = []
        for name, (code,) in commands(path, Path(folder), options.near).items():
            if name in options.only.split(","):
                found.append(run(code, size, name))
                print(f"{name}: {found[-1][1]} s", flush=True)
        printed(found)


if __name__ == "__main__":
    main()
