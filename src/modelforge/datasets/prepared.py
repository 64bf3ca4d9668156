"""Where the rows of datasets are kept in tokens, for other runs. They are the user's data as much as the rows are."""

from __future__ import annotations

import shutil
from pathlib import Path


def folder_of(home: Path) -> Path:
    """An entry a folder, named by the data's SHA-256, a dot, and the digest of what decided how it was encoded."""
    return home / "cache" / "datasets"


def forget(home: Path, sha256: str) -> None:
    """Remove what was made of a file that is deleted; runs have links of their own."""
    for entry in folder_of(home).glob(f"{sha256}.*"):
        shutil.rmtree(entry, ignore_errors=True)
