"""``data-problems.md``: every kind of problem that is told of a dataset, and what is said of files as people have them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from generator.markdown import page, table

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from modelforge.datasets.check import check  # noqa: E402
from modelforge.datasets.codes import CODES, Code  # noqa: E402
from modelforge.datasets.formats import MIN_EXAMPLES  # noqa: E402
from modelforge.datasets.ingest import MAX_BYTES, check_ending  # noqa: E402
from modelforge.errors import ModelForgeError  # noqa: E402
from tests.datasets.ugly import UGLY, Ugly  # noqa: E402

INTRO = """\
What is told of a dataset when it comes, and by `modelforge datasets check`: each problem with its code, which never \
changes its meaning, how many rows have it, the first of them, and an excerpt in which secrets and personal data are \
masked. An **error** keeps its rows out of training. A **warning** does not: they are learnt from, and hardly as it was \
meant. A **note** is worth knowing. What a fix removes or changes is listed in the version that it makes; everything \
else stays as it is.

What concerns all rows together, and lengths in a model's tokens, is told by a closer look: \
`POST /api/datasets/{filename}/check`, or `modelforge datasets check FILE --near-duplicates sample`."""
GROUPS = {
    "lines": "Lines that hold no row",
    "sources": "Rows of tables and documents that cannot be read",
    "columns": "Columns",
    "fields": "Fields",
    "answers": "Questions about a text",
    "conversations": "Conversations and choices",
    "content": "Texts",
    "together": "All rows together",
    "lengths": "Lengths in tokens",
}
FILES = f"""\
## Files as people have them

Each of these is made by the tests and read as an upload is; what is said of it stands beside it. Rows are counted as \
their program counts them, and a file with fewer than {MIN_EXAMPLES} usable rows is refused."""
_LONGEST = 400


def data_problems() -> str:
    """The page."""
    return page("What can be wrong with data", INTRO, *_groups(), FILES, _ugly())


def _groups() -> Iterator[str]:
    header = ("code", "severity", "what is said, for example", "what to do", "fix")
    for group, title in GROUPS.items():
        own = [_row(code) for code in CODES if code.group == group]
        if own:
            yield f"## {title}"
            yield table(header, own)


def _row(code: Code) -> tuple[str, ...]:
    return (
        f"`{code.name}`",
        code.severity,
        _plain(code.says),
        _plain(code.advice),
        f"`{code.fix}`" if code.fix else "",
    )


@cache
def _ugly() -> str:
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            (f"`{each.name}`", _plain(each.what), *_said(each, Path(folder, str(n)))) for n, each in enumerate(UGLY)
        ]
    return table(("file", "what it is", "usable rows", "what is said"), rows)


def _said(each: Ugly, folder: Path) -> tuple[str, str]:
    """How many rows are usable, and everything that is said."""
    inner = folder / "in between"
    inner.mkdir(parents=True)
    path = each.make(folder)
    try:
        check_ending(path.name)
        report = check([[str(path), path.name]], str(folder / "rows"), str(inner), {}, MAX_BYTES)
    except ModelForgeError as refusal:
        return "refused", _shortened(f"{refusal.error}: {refusal.detail}".replace(str(folder), "…"))
    told = [*report.errors, *(finding["message"] for finding in report.findings if finding["severity"] != "error")]
    told += report.source["notes"] if report.source is not None else []
    return str(report.num_examples), _shortened(". ".join(told) or "nothing")


def _shortened(text: str) -> str:
    return _plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _plain(text: str) -> str:
    """Text that Markdown takes as it is."""
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("`", "\\`")
