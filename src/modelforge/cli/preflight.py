"""``modelforge train --check``: what a run comes to, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from modelforge.cli.console import duration, note, out, print_failure, print_fields, print_json, print_table, say, size
from modelforge.contracts.info import ErrorReply
from modelforge.contracts.preflight import DiskFit, MemoryFit, Preflight


def show_preflight(found: Preflight, *, as_json: bool) -> None:
    """As a table, or as JSON. Ends the command with exit code 1 where the run could not start."""
    if as_json:
        print_json(found)
    else:
        print_fields(list(_lines(found)))
        if found.memory is not None:
            _show_memory(found.memory)
        for warning in found.warnings:
            note(warning, "yellow")
    if found.ok:
        if not as_json:
            say("This run can start.", "green")
        return
    from modelforge.cli.client import refusal_of  # noqa: PLC0415 - not needed to show help

    refusal = ErrorReply.model_validate(found.model_dump())
    print_failure(refusal_of(refusal), as_json=False)
    raise typer.Exit(1)


def _lines(found: Preflight) -> Iterator[tuple[str, str | None]]:
    yield "Model", found.name
    yield "Starts from", found.config["model_name"]
    yield "Weights", f"{found.parameters / 1e6:.1f} million" if found.parameters is not None else None
    yield "Data", found.config["dataset"]
    yield "Trained by", f"{found.config['strategy']}, {found.config['provider']}"
    if found.config["preset"] is not None:
        chosen = ("num_train_epochs", "learning_rate", "lora_r", "eval_split")
        yield "Preset", f"{found.config['preset']}: " + ", ".join(f"{name} {found.config[name]:g}" for name in chosen)
    if (length := found.length) is not None:
        yield "Examples", f"{length.examples_per_epoch} an epoch, {length.held_out} held out"
        yield "Steps", f"{length.optimizer_steps}, of {length.examples_per_step} examples each"
    if (time := found.time) is not None:
        yield "Time", f"{duration(time.seconds)} ({duration(time.low)} to {duration(time.high)}), by {time.about}"
    if (memory := found.memory) is not None:
        yield (
            "Memory",
            f"{size(memory.needs_mb)} of {size(memory.has_mb)}, {size(memory.free_mb)} free: {_word(memory)}",
        )
    if found.disk is not None:
        yield "Disk", _disk(found.disk)


def _word(memory: MemoryFit) -> str:
    if memory.fits_now:
        return "fits"
    return f"fits with smaller settings, from {size(memory.least_mb)}" if memory.fits else "does not fit"


def _disk(disk: DiskFit) -> str:
    places = [f"{size(place.needs_mb)} below {place.folder}, {size(place.free_mb)} free" for place in disk.places]
    return f"{'; '.join(places)}: {'fits' if disk.fits else 'does not fit'}"


def _show_memory(memory: MemoryFit) -> None:
    out().print()
    least = memory.least_parts.parts()
    rows = [(name, size(mb), size(least[name])) for name, mb in memory.parts.parts().items()]
    print_table(["Memory for", "As asked", "At least"], rows, numbers=["As asked", "At least"])
    if memory.changes:
        out().print()
        print_table(
            ["What would fit", "Takes"],
            [(each.about, size(each.needs_mb)) for each in memory.changes],
            numbers=["Takes"],
        )
    out().print()
