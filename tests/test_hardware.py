"""The classes of machines, by their bounds."""

from __future__ import annotations

import pytest

from modelforge.hardware import classify, detect


@pytest.mark.parametrize(
    ("gpu", "ram", "expected"),
    [
        (0, 24, "low_end"),
        (7.1, 64, "low_end"),
        (7.2, 15.1, "low_end"),
        (15.1, 15.1, "low_end"),
        (7.2, 15.2, "mid_range"),
        (15.1, 15.2, "mid_range"),
        (15.2, 15.1, "mid_range"),
        (15.2, 15.2, "high_end"),
        (80, 512, "high_end"),
    ],
)
def test_classes(gpu: float, ram: float, expected: str) -> None:
    assert classify(gpu, ram) == expected


def test_this_machine() -> None:
    found = detect()
    assert found.cpu_count >= 1 and found.memory_gb > 0.5
    assert found.device in ("cpu", "cuda", "mps")
    assert (found.device == "cpu") == (not found.gpus)
