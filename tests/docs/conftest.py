"""Makes ``docs/generate.py`` and its modules importable, and finds what stands in the pages."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "docs"))
