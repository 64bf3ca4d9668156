"""How near the memory estimate comes to what a training takes.

::

    python -m benchmarks.memory --only sft,qlora --log

Runs trainings of the speed benchmark and some of other kinds through ModelForge's own command line, for a few steps,
and prints the estimate that was told before each beside the peak that was measured in it. On a CPU the peak is all
of the worker's resident memory, and so depends on the allocator; what the file of the weights takes while it is read
counts, too. The target: within 15 % on the runs of the speed benchmark.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.speed import machine
from benchmarks.speed.__main__ import log
from benchmarks.speed.cases import CASES, Case, chosen
from benchmarks.speed.contenders import Bench, Failed, Measured

WANTED = 0.15
"""How far the estimate of a run of the speed benchmark may be from its peak."""
HEADINGS = ("run", "estimated MB", "measured MB", "estimated / measured", "allocator", "met")


@dataclass(frozen=True)
class Line:
    """One training."""

    case: Case
    goal: bool
    """Whether it is a run of the speed benchmark, which the target is for."""

    def cells(self, run: Measured) -> tuple[str, ...]:
        assert run.memory_mb is not None
        told = (self.case.name, f"{run.estimated_mb or 0:.0f}", f"{run.memory_mb:.0f}")
        share = (run.estimated_mb or 0) / run.memory_mb
        met = ("yes" if abs(share - 1) <= WANTED else "no") if self.goal else ""
        return (*told, f"{share:.2f}", run.allocator or "the C library's", met)


def lines() -> list[Line]:
    """Those of the speed benchmark that the target is for, then others."""
    by = {case.name: case for case in CASES}
    own = [Line(by[name], True) for name in ("sft-135M", "sft-5M", "qlora", "dpo")]
    sft = replace(by["sft-135M"], steps=2)
    others = [
        replace(sft, name="checkpointing", settings={"gradient_checkpointing": True}),
        replace(sft, name="plain", settings={"packing": False}),
        replace(sft, name="plain-checkpointing", settings={"packing": False, "gradient_checkpointing": True}),
        replace(sft, name="all-weights", learning_rate=1e-5, settings={"use_lora": False}),
        replace(by["sft-5M"], name="plain-5M", settings={"packing": False}),
        replace(by["summarization"], steps=4),
        replace(by["qa"], steps=4),
    ]
    return own + [Line(case, False) for case in others]


def main() -> None:
    """Parse the command line, run, print, and write to the log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of runs, divided by commas; 'sft' is all that begin so")
    parser.add_argument("--steps", type=int, help="optimizer steps, instead of those of each run")
    parser.add_argument("--folder", type=Path, help="keep models, data and logs there; a temporary folder otherwise")
    parser.add_argument("--log", action="store_true", help="add the outcome to benchmarks/LOG.md")
    options = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    names = [name for name in options.only.split(",") if name]
    wanted = {case.name for case in chosen([line.case for line in lines()], names)}
    said = machine.described()
    print("\n".join(said))
    found: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory(prefix="modelforge-memory-") as scratch:
        folder = (options.folder or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder, False, {}, options.steps)
        for line in lines():
            if line.case.name not in wanted:
                continue
            try:
                found.append(line.cells(bench.ours(line.case)))
            except Failed as fault:
                print(f"{line.case.name}: no figures, {fault}")
            else:
                print(" | ".join(found[-1]), flush=True)
    if options.log:
        log("benchmarks.memory", "the memory estimate against the peak", said, found, HEADINGS)


if __name__ == "__main__":
    main()
