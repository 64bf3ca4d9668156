"""No bytes break the parser of uploads, and how they are cut makes no difference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modelforge.api.upload import _Form
from modelforge.errors import InvalidRequest, UnsupportedMedia
from tests.fuzz import fuzzed

FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
PIECES = [
    b"--B", b"--B\r\n", b"--B--", b"--B--\r\n", b"\r\n", b"\r", b"\n", b"-", b"B", b":", b";", b'"', b"\\", b"\0",
    b"Content-Disposition: form-data; ", b"content-disposition:", b'name="file"', b"; filename=", b'"a.jsonl"',
    b'; filename*=UTF-8\'\'%C3%BC.jsonl', b"filename*=latin-9''%", b"Content-Transfer-Encoding: base64\r\n",
    FILE, b'--B\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n',
    b'{"input": "a", "output": "b"}\n', b"\xff", b"a.exe",
]  # fmt: skip
"""What a form consists of, well made and not."""
BODIES = st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=14).map(b"".join) | st.binary(max_size=200)


def outcome(chunks: Sequence[bytes]) -> tuple[str, dict[int, bytes]]:
    """The names and the bytes of the files, or what is said against the form."""
    form = _Form(b"B")
    taken: dict[int, bytes] = {}
    try:
        for chunk in chunks:
            form.feed(chunk)
            for number, data in form.take():
                taken[number] = taken.get(number, b"") + data
        return " ".join(form.finish()), taken
    except (InvalidRequest, UnsupportedMedia) as refusal:
        # Where it was noticed depends on the cuts; the kind doesn't.
        return type(refusal).__name__, {}


@fuzzed(300)
@given(body=BODIES, cuts=st.lists(st.integers(0, 250), max_size=8))
def test_no_form_breaks_it_and_cuts_make_no_difference(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    assert outcome([body[start:end] for start, end in pairwise(edges)]) == outcome([body])


@fuzzed(100)
@given(
    content=st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=14).map(b"".join), cut=st.integers(1, 9)
)
def test_a_file_comes_as_it_was(content: bytes, cut: int) -> None:
    """Any bytes that don't hold the boundary."""
    if b"--B" in content:
        content = content.replace(b"--B", b"--C")
    body = FILE + content + b"\r\n--B--\r\n"
    assert outcome([body[at : at + cut] for at in range(0, len(body), cut)]) == (
        "a.jsonl",
        {0: content} if content else {},
    )
