"""What the runs come to: ratios with their spread, as a table and as an entry of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median

from benchmarks.speed.cases import Case, Rival
from benchmarks.speed.contenders import Measured

HEADINGS = (
    "run",
    "against",
    "ModelForge",
    "the other",
    "times as fast",
    "wanted, aim",
    "met",
    "memory",
    "first step, s",
)


@dataclass
class Limit:
    """What the machine could do at most."""

    flops_a_token: float
    gflops: list[dict[str, float]] = field(default_factory=list)
    """By type, before and after the runs."""

    def share(self, tokens_per_second: float, dtype: str = "bf16") -> float:
        """Of the arithmetic that would be possible."""
        return tokens_per_second * self.flops_a_token / 1e9 / max(rates[dtype] for rates in self.gflops)


@dataclass
class Result:
    """All runs of a case."""

    case: Case
    ours: list[Measured] = field(default_factory=list)
    pairs: dict[str, list[tuple[Measured, Measured]]] = field(default_factory=dict)
    """By rival: a run of ModelForge, and the rival's in the same round."""
    limit: Limit | None = None
    faults: dict[str, str] = field(default_factory=dict)
    """Why there are no figures, by contender."""

    def ratios(self, rival: Rival) -> list[float]:
        """How many times as fast, pair by pair."""
        unit = self.case.unit
        return [own.speed(unit) / other.speed(unit) for own, other in self.pairs.get(rival.name, [])]

    def memory(self, rival: Rival) -> list[float]:
        """Our peak memory as a share of theirs, pair by pair."""
        return [
            own.memory_mb / other.memory_mb
            for own, other in self.pairs.get(rival.name, [])
            if own.memory_mb is not None and other.memory_mb is not None
        ]


def lines_of(result: Result) -> list[tuple[str, ...]]:
    """The table's lines for a case, one for each rival; one in all where there is none."""
    if result.case.first_step is not None:
        return [_first_step(result, *result.case.first_step)]
    return [_line(result, rival) for rival in result.case.rivals]


def _line(result: Result, rival: Rival) -> tuple[str, ...]:
    case = result.case
    ratios = result.ratios(rival)
    if not ratios:
        return (case.name, rival.name, "", "", "no figures: see below", _wanted(rival), "", "", "")
    ours, theirs = zip(*result.pairs[rival.name], strict=True)
    memory = result.memory(rival)
    met = rival.least is None or median(ratios) >= rival.least
    if rival.memory is not None and memory:
        met = met and median(memory) <= rival.memory
    firsts = [_middle([run.first_step_s for run in runs]) for runs in (ours, theirs)]
    return (
        case.name,
        rival.name,
        _speed(case, ours),
        _speed(case, theirs),
        spread(ratios),
        _wanted(rival),
        "" if rival.least is None else "yes" if met else "NO",
        spread(memory) if memory else "",
        " / ".join(firsts) if any(firsts) else "",
    )


def _first_step(result: Result, most: float, aim: float) -> tuple[str, ...]:
    firsts = [run.first_step_s for run in result.ours if run.first_step_s is not None]
    if not firsts:
        return (result.case.name, "", "", "", "no figures: see below", f"≤ {most:g} s, {aim:g}", "", "", "")
    met = "yes" if median(firsts) <= most else "NO"
    return (result.case.name, "", "", "", "", f"≤ {most:g} s, {aim:g}", met, "", spread(firsts))


def notes_of(result: Result) -> list[str]:
    """What a case's lines do not say."""
    case, said = result.case, []
    if result.limit is not None and result.ours and result.limit.gflops:
        speed = median(run.speed("tokens") for run in result.ours)
        rates = "; ".join(
            f"{dtype} {' before, '.join(f'{rates[dtype]:.0f}' for rates in result.limit.gflops)} after"
            for dtype in ("bf16", "fp32")
        )
        said.append(
            f"{case.name}: {result.limit.share(speed):.0%} of the bf16 limit, {result.limit.share(speed, 'fp32'):.0%} "
            f"of that of fp32; {result.limit.flops_a_token / 1e9:.3f} GFLOP a token; GFLOP/s of the model's own "
            f"products with 1024 rows: {rates}."
        )
    if result.ours:
        first = result.ours[0]
        tokens = f"{first.tokens:.0f} tokens" + ("" if case.decode else f", {first.steps} optimizer steps")
        lasted = ", ".join(f"{run.seconds:.1f}" for run in result.ours)
        said.append(f"{case.name}: {tokens}, {lasted} s; allocator {first.allocator or 'of the C library'}.")
    for name, pairs in result.pairs.items():
        runs = [other for _, other in pairs]
        first = runs[0]
        counted = "rounds" if case.decode else "optimizer steps"
        versions = ", ".join(f"{library} {version}" for library, version in first.versions.items())
        said.append(
            f"{case.name}, {name}: {first.tokens:.0f} tokens, {first.steps} {counted}, "
            f"{', '.join(f'{run.seconds:.1f}' for run in runs)} s; {first.threads} threads; allocator "
            f"{first.allocator or 'of the C library'}; {versions}."
        )
    said += [f"{case.name}, {name}: no figures, {fault}" for name, fault in result.faults.items()]
    return said


def markdown(lines: Sequence[Sequence[str]], headings: Sequence[str] = HEADINGS) -> str:
    table = [headings, ["---"] * len(headings), *lines]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in table)


def add_to_log(log: Path, title: str, text: str, day: date) -> None:
    """Put an entry before the newest one."""
    written = log.read_text(encoding="utf-8")
    head, mark, entries = written.partition("\n## ")
    log.write_text(f"{head}\n## {day.isoformat()}: {title}\n\n{text.rstrip()}\n{mark}{entries}", encoding="utf-8")


def spread(values: Sequence[float]) -> str:
    """The median with the least and the most."""
    told = f"{median(values):.2f}"
    return told if len(values) < 2 else f"{told} ({min(values):.2f}–{max(values):.2f})"


def _speed(case: Case, runs: Sequence[Measured]) -> str:
    unit = "tokens/s" if case.unit == "tokens" else "steps/s"
    speed = median(run.speed(case.unit) for run in runs)
    return f"{speed:.0f} {unit}" if speed >= 100 else f"{speed:.3g} {unit}"


def _wanted(rival: Rival) -> str:
    if rival.least is None:
        return "reported"
    told = f"≥ {rival.least:g}, {rival.aim:g}" if rival.aim is not None else f"≥ {rival.least:g}"
    return told if rival.memory is None else f"{told}; memory ≤ {rival.memory:g}"


def _middle(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.1f}" if known else ""
