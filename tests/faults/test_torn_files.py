"""What a run has on the disk is torn: it is seen, said, and what stood before it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.faults.harm import (
    Reference,
    begin,
    cut_the_power,
    entered,
    kept,
    run_dir,
    sealed,
    see_to_its_end,
    worker_of,
)
from tests.faults.table import Table
from tests.live import LiveServer, until

Harm = Callable[[Path, Random], None]


def _flip(path: Path, dice: Random) -> None:
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def _cut(path: Path, dice: Random) -> None:
    with path.open("rb+") as file:
        file.truncate(dice.randrange(path.stat().st_size))


def _rub_out(path: Path, dice: Random) -> None:
    """A file whose length came to the disk, and whose content did not."""
    path.write_bytes(bytes(path.stat().st_size))


def _remove(path: Path, dice: Random) -> None:
    path.unlink()


def _add(data: bytes) -> Harm:
    def harm(path: Path, dice: Random) -> None:
        with path.open("ab") as file:
            file.write(data)

    return harm


CHECKPOINTS: list[tuple[str, Harm]] = [
    ("trained.safetensors", _flip),
    ("optimizer.pt", _cut),
    ("trainer_state.json", _rub_out),
    ("rng_state.pth", _remove),
    ("manifest.json", _cut),
    ("manifest.json", _rub_out),
]
HALF_A_LINE = b'{"v":1,"line":77,"kin'
EVENTS: list[Harm] = [
    _cut,
    _add(HALF_A_LINE),
    _add(bytes(4096)),
    _add(b'{"v":1}\r\n[1e999]\n' + HALF_A_LINE),
    _remove,
    _add(b"\xff\n"),
]
"""What no server has read yet is on the disk up to the newest checkpoint: the odd ones alone, before which a server has
read everything, take something away."""
SPECS: list[Harm] = [_cut, _rub_out, _remove, _cut, _rub_out, _cut]


def test_a_run_with_torn_files_goes_on(
    home_server: LiveServer, tiny_model: Path, reference: Reference, table: Table, dice: Random, full: bool
) -> None:
    server = home_server
    harms = list(zip(CHECKPOINTS, EVENTS, SPECS, strict=True))
    with table.fault("torn or truncated checkpoint, events, spec") as fault:
        job_id = begin(server, tiny_model, "torn")
        for attempt, ((name, harm), tear, spoil) in enumerate(harms if full else harms[:2], 1):
            until(kept(server, job_id, attempt, 2), 120)
            if attempt % 2:
                worker_of(job_id).kill()
                server.wait(job_id, seconds=5)
            else:
                cut_the_power(server, job_id)
            folder = run_dir(server, job_id)
            *_, before, newest = (None, *sealed(server, job_id))
            tear(folder / "events.jsonl", dice)
            spoil(folder / "spec.json", dice)
            fault.injected += 2
            if before is not None:  # else the kill came between the making of room for a checkpoint and its seal
                harm(newest / name, dice)
                fault.injected += 1
            if attempt % 2:
                server.post(f"/api/jobs/{job_id}/resume")
            else:
                server.start()  # which resumes it by itself
            until(entered(server, job_id, attempt + 1, "training"), 120)
            until(lambda: server.get("/api/training_status")["status"] in ("training", "saving", "completed"), 10)
            told = "\n".join(event["text"] for event in server.get(f"/api/jobs/{job_id}")["events"])
            assert "spec.json was not whole" in told
            if before is not None:
                assert f"{newest.name} is damaged" in told or f"{newest.name} has" in told
            assert f"Going on from the checkpoint at step {(before or newest).name.split('-')[1]}" in told
            assert "could not be read" in told or "have lost their last" in told
        see_to_its_end(server, job_id, reference, fault)
