"""ModelForge: fine-tuning without code, on your own machine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelforge.forge import ModelForge as ModelForge

__version__ = "2.0.0"


def __getattr__(name: str) -> Any:
    # Late and by name: workers import this package, too, and have neither a web framework nor a database.
    if name == "ModelForge":
        return importlib.import_module("modelforge.forge").ModelForge
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
