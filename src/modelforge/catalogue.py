"""What ships inside the package: the starter model and the sample datasets."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
STARTER = "modelforge-starter"
BUNDLED_MODELS = (STARTER,)
DEMO_DATASET = ASSETS / "datasets" / "demo.jsonl"
DEMO_HELDOUT = ASSETS / "datasets" / "demo-heldout.jsonl"


def bundled_model(name: str) -> Path:
    """The folder of a bundled model."""
    return ASSETS / name
