"""In which encoding a file of text is written, and the file read in it."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from modelforge.datasets.problems import shown
from modelforge.datasets.rows import Observe, open_regular
from modelforge.errors import InvalidRequest

_BLOCK = 1 << 20
_HEAD = 4096
_LOOKED_AT = 4
"""Blocks with other letters than ASCII's that are looked at; a file is read no further for them."""
_SAMPLE = 50_000
"""Bytes around such letters that the guess of an old encoding is made from: more makes it slow and no better."""

MARK = re.compile("[\udc00-\udcff]")
"""Bytes that the encoding has no letter for, in text of ``open_text``."""

_BOMS = (
    # The longer first: UTF-32's begins like UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OLD = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "iso8859_15", "koi8_r",
    "mac_roman", "cp437", "cp850", "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp949",
)  # fmt: skip
"""What spreadsheets and editors of the last thirty years have written; cp1252 (Western Windows) first."""


class Encoding(NamedTuple):
    """By Python's name, and what is worth knowing of how it was found."""

    name: str
    note: str | None = None


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("modelforge-mark", _mark)


def open_text(path: Path, encoding: str, observe: Observe | None = None) -> TextIO:
    """The file's text, line ends as they are; a byte without a letter becomes a ``MARK``. ``observe`` is that of
    ``open_regular``.

    Not every codec stands for text: ``base64`` and the like are refused where an encoding is asked for.
    """
    stream = open_regular(path, observe)
    # newline="" leaves line ends in cells alone, and still takes all three kinds for the end of a line.
    return io.TextIOWrapper(io.BufferedReader(stream, _BLOCK), encoding, "modelforge-mark", newline="")  # type: ignore[type-var]


def detect(path: Path, asked: str | None) -> Encoding:
    """The encoding that was asked for; else that of the byte order mark, UTF-8 where the bytes are, or a guess.

    Raises InvalidRequest where Python knows no such encoding.
    """
    with open_regular(path) as stream:
        head = stream.read(_HEAD)
        if asked is not None:
            return Encoding(known(asked, head))
        marked = by_mark(head)
        if marked is not None:
            return marked
        stream.seek(0)
        return _by_letters(list(_blocks_of_letters(stream)))


def by_mark(head: bytes) -> Encoding | None:
    """The encoding that a file's first bytes give away: by a byte order mark, or by every other byte being zero."""
    bom = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    if bom is not None:
        return Encoding(bom)
    wide = _wide(head)
    if wide is not None:
        return Encoding(wide, f"read as {wide.upper()}, which has no mark here, by its zero bytes")
    return None


def known(asked: str, head: bytes) -> str:
    """Python's name for an encoding of text, for a file that begins so. Raises InvalidRequest where there is none."""
    try:
        info = codecs.lookup(asked)
        # Whether it is one of text; rot13 turns text into text, so bytes are tried.
        found = info._is_text_encoding and isinstance(b"a".decode(asked, "replace"), str)
    except (LookupError, ValueError, UnicodeError):
        found = False
    if not found:
        raise InvalidRequest(
            f"encoding: {shown(asked)} is none that is known. Common ones are utf-8, cp1252 (Western European "
            "Windows), latin-1, utf-16, shift_jis and gb18030"
        )
    return "utf-8-sig" if info.name == "utf-8" and head.startswith(codecs.BOM_UTF8) else info.name


def _wide(head: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of most text in it is zero."""
    pairs = len(head) // 2
    if pairs < 4:
        return None
    even, odd = head[: pairs * 2 : 2].count(0), head[1 : pairs * 2 : 2].count(0)
    if odd > 0.7 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    if even > 0.7 * pairs and odd < 0.05 * pairs:
        return "utf-16-be"
    return None


def _blocks_of_letters(stream: BinaryIO) -> Iterator[bytes]:
    """The first blocks that hold more than ASCII, whole letters of UTF-8 in each."""
    found, rest = 0, b""
    while found < _LOOKED_AT and (block := stream.read(_BLOCK)):
        block = rest + block
        rest = b""
        if block.isascii():
            continue
        for length in (1, 2, 3):
            # A letter that goes on in the next block: its first byte, and how many it has.
            lead = block[-length] if len(block) >= length else 0
            if lead >= 0xC0:
                if (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4) > length:
                    block, rest = block[:-length], block[-length:]
                break
        found += 1
        yield block
    if rest:
        yield rest


def _by_letters(blocks: list[bytes]) -> Encoding:
    right = wrong = 0
    for block in blocks:
        text = block.decode("utf-8", "modelforge-mark")
        marks = len(MARK.findall(text))
        wrong += marks
        right += sum(not letter.isascii() for letter in text) - marks if marks else 1
    # In older encodings two such letters rarely stand together, and more rarely as UTF-8 has them.
    if right > wrong or not blocks:
        return Encoding("utf-8")
    name = _guess(blocks)
    return Encoding(name, f"read as {name}, a guess from its letters; where they are wrong, name the encoding")


def _guess(blocks: list[bytes]) -> str:
    import charset_normalizer  # noqa: PLC0415 - for files that are not UTF-8 alone

    sample = b"\n".join(line for block in blocks for line in block.split(b"\n") if not line.isascii())[:_SAMPLE]
    found = charset_normalizer.from_bytes(sample, cp_isolation=list(_OLD), threshold=0.3)
    best = found.best()
    if best is None:
        return "cp1252"
    western = next((match for match in found if "cp1252" in (match.encoding, *match.could_be_from_charset)), None)
    # It is by far the most common one; others have to look clearly better.
    if western is not None and western.chaos <= best.chaos + 0.02 and western.coherence >= best.coherence - 0.1:
        return "cp1252"
    return best.encoding
