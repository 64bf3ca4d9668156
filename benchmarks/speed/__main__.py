"""How fast ModelForge is, side by side with the others on this machine: ``make bench``, and ``make bench-gpu``.

::

    python -m benchmarks.speed --only sft-135M,decode --repeats 3 --log

Makes the models, their tokenizer and the data from seeds, needs no network, and runs ModelForge and each rival in
turn, again and again: A B A C A B A C … Every rival is compared with the run of ModelForge right before it. All of it
takes hours on two cores: the others are slow. ``--peer-steps 4`` shortens them, ``--steps 4`` everybody; figures to be
told to others come without.

Beside other work the threads of the others, which spin while they wait, lose far more than ModelForge's. A quiet
machine is what to measure on; where there is none, ``--passive`` makes everybody's threads wait as ModelForge's do.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.speed import arithmetic, machine, models, rows, table
from benchmarks.speed.cases import CASES, GPU_CASES, Case, Rival, chosen
from benchmarks.speed.contenders import SEED, Bench, Failed, Measured
from benchmarks.speed.table import Limit, Result
from modelforge.environments import find_environment
from modelforge.settings import load_settings

LOG = machine.ROOT / "benchmarks" / "LOG.md"
WIDTH = 150
"""Of the table at least, wherever it is printed to."""
WRAP = 128
"""Of the log's lines."""
BUSY = 0.5
"""The load average from which on a machine is too busy."""
LLAMA_FACTORY = machine.ROOT / ".venv-llamafactory" / "bin" / "python"


def measure(bench: Bench, case: Case, repeats: int, console: Console) -> Result:
    """All runs of a case. Who fails once is left out from then on."""
    result = Result(case)
    if case.share:
        result.limit = _limit(bench, case)
        _take_limit(bench, result)
    for number in range(repeats):
        own = _timed(bench, case, None, result, console, number)
        if own is None:
            break
        result.ours.append(own)
        for rival in case.rivals:
            other = None if rival.name in result.faults else _timed(bench, case, rival, result, console, number)
            if other is not None:
                result.pairs.setdefault(rival.name, []).append((own, other))
    if case.share:
        _take_limit(bench, result)
    return result


def _timed(
    bench: Bench, case: Case, rival: Rival | None, result: Result, console: Console, number: int
) -> Measured | None:
    """One run, told as it ends; None where it failed."""
    name = rival.name if rival else "ModelForge"
    try:
        run = bench.rival(case, rival) if rival else bench.ours(case)
    except (Failed, SystemExit) as error:  # the latter is how the product's own client ends
        result.faults[name] = str(error)
        console.print(f"{case.name} {number + 1}, {name}: no figures, {error}", markup=False)
        return None
    memory = "" if run.memory_mb is None else f", {run.memory_mb:.0f} MB"
    speed = f"{run.speed(case.unit):.4g} {case.unit} a second"
    console.print(f"{case.name} {number + 1}, {name}: {speed}, {run.seconds:.1f} s{memory}", markup=False)
    return run


def _limit(bench: Bench, case: Case) -> Limit:
    shape = models.MODELS[bench.shape(case)]
    assert isinstance(shape, models.Llama)
    sizes = rows.sizes(rows.instructions(case.rows(bench.steps_of(case)), SEED))
    return Limit(arithmetic.flops(shape, sizes) / sum(map(sum, sizes)))


def _take_limit(bench: Bench, result: Result) -> None:
    assert result.limit is not None
    try:
        result.limit.gflops.append(bench.limit(result.case))
    except Failed as error:
        result.faults["the limit"] = str(error)


def main() -> None:
    """Parse the command line, run, print, and write to the log."""
    options = _options()
    console = Console(highlight=False, width=max(WIDTH, Console().width))
    if options.gpu and not machine.has_nvidia_gpu():
        console.print("This machine has no NVIDIA GPU that could be used: there is nothing to measure here.")
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what runs is ended, too
    if not options.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # on every side
    cases = chosen(GPU_CASES if options.gpu else CASES, [name for name in options.only.split(",") if name])
    if options.passive:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    said = machine.described()
    if machine.load() > BUSY and not options.passive:
        console.print("The machine is not quiet, which slows the others down more than ModelForge: see --passive.")
    console.print("\n".join(said), markup=False)
    lines: list[tuple[str, ...]] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="modelforge-speed-") as scratch:
        folder = Path(options.folder or scratch).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(
            folder,
            options.gpu,
            {"llama-factory": options.llama_factory, "unsloth": options.unsloth or _unsloth()},
            options.steps,
            options.peer_steps,
            options.model,
            options.keep_caches,
        )
        said.append(told_of(bench))
        for case in map(bench.named, cases):
            result = measure(bench, case, options.repeats, console)
            lines += table.lines_of(result)
            notes += table.notes_of(result)
    said.append(f"Load average {machine.load():.1f} at the end.")
    shown = Table(*table.HEADINGS, box=box.SIMPLE_HEAD)
    for line in lines:
        shown.add_row(*map(escape, line))
    console.print(shown)
    console.print("\n".join(notes), markup=False)
    if options.log:
        command = shlex.join(["python", "-m", "benchmarks.speed", *sys.argv[1:]])
        table.add_to_log(LOG, "speed, side by side", entry(command, said, lines, notes), date.today())


def entry(command: str, said: Sequence[str], lines: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """The log's text: machine, command, table and notes."""
    listed = "\n".join(wrapped(f"- {note}", "  ") for note in notes)
    told = "Medians with the least and the most of the pairs; memory is ModelForge's peak as a share of the other's."
    head = wrapped(f"{' '.join(said)} `{command}`. {told}")
    return f"{head}\n\n{table.markdown(lines)}\n{listed}\n"


def log(module: str, title: str, said: Sequence[str], lines: Sequence[Sequence[str]], headings: Sequence[str]) -> None:
    """Add what another benchmark found to the log: machine, command and table."""
    command = shlex.join(["python", "-m", module, *sys.argv[1:]])
    text = f"{wrapped(' '.join(said))} `{command}`.\n\n{table.markdown(lines, headings)}"
    table.add_to_log(LOG, title, text, date.today())


def told_of(bench: Bench) -> str:
    """What was not as it is by default."""
    changes = [
        f"optimizer steps: {bench.steps}" if bench.steps else "",
        f"those of the others: {bench.peer_steps}" if bench.peer_steps else "",
        f"the decoder is {bench.model}" if bench.model else "",
        "ModelForge's caches were kept between its runs" if bench.keep_caches else "",
    ]
    return f"{'; '.join(filter(None, changes)) or 'Everything as it is by default'}."


def wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WRAP, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _unsloth() -> Path:
    """The interpreter of the environment that ``modelforge providers install unsloth`` makes."""
    return find_environment(load_settings().home, "unsloth").python


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", action="store_true", help="larger models, on an NVIDIA GPU")
    parser.add_argument("--only", default="", help="names of runs, divided by commas; 'sft' is all that begin so")
    parser.add_argument("--repeats", type=int, default=3, help="how often each pair is run")
    parser.add_argument("--steps", type=int, help="optimizer steps, instead of those of each run")
    parser.add_argument("--peer-steps", type=int, help="the same for the others alone")
    parser.add_argument(
        "--model",
        choices=("5M", "135M", "1B", "3B", "8B"),
        help="instead of each run's decoder, to try things out",
    )
    parser.add_argument("--folder", help="keep models, data and logs there; a temporary folder otherwise")
    parser.add_argument("--passive", action="store_true", help="OMP_WAIT_POLICY=PASSIVE for everybody")
    parser.add_argument("--keep-caches", action="store_true", help="ModelForge keeps its home folder between runs")
    parser.add_argument("--llama-factory", type=Path, default=LLAMA_FACTORY, help="the Python that it is installed in")
    parser.add_argument("--unsloth", type=Path, help="the Python that it is installed in")
    parser.add_argument("--log", action="store_true", help="add the outcome to benchmarks/LOG.md")
    options = parser.parse_args()
    try:
        chosen(GPU_CASES if options.gpu else CASES, [name for name in options.only.split(",") if name])
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    main()
