"""``python -m modelforge.datasets.check FILE``: one JSON object on stdout, ``{"report": …}`` or ``{"refused": …}``.

The server checks files in this process, so that its own event loop and interpreter stay free. It imports the standard
library and little else, to start at once.
"""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import asdict
from pathlib import Path

from modelforge.datasets.validate import validate
from modelforge.errors import ModelForgeError


def main(path: str) -> int:
    """Exit status: 0 with a report, 2 for a file that cannot be read as a dataset."""
    # JSON holds no cycles: looking for them among millions of short-lived objects costs time and finds nothing.
    gc.disable()
    try:
        answer = {"report": asdict(validate(Path(path)))}
    except ModelForgeError as refusal:
        answer = {"refused": {"kind": type(refusal).__name__, "detail": refusal.detail}}
    print(json.dumps(answer))
    return 0 if "report" in answer else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
