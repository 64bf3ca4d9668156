"""``python -m modelforge.datasets.check FILE``: what is in a file, as ``reply`` says it.

The server checks files in this process, so that its own event loop and interpreter stay free. It imports the standard
library and little else, to start at once.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import asdict
from pathlib import Path

from modelforge.datasets.reply import answer
from modelforge.datasets.validate import validate


def main(path: str) -> int:
    """Exit status: 0 with a report, 2 for a file that cannot be read as a dataset."""
    # JSON holds no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    return answer(lambda: asdict(validate(Path(path))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
