"""How alike texts are: the share of the runs of five characters that they have in common (Jaccard), found by MinHash.

Case, punctuation and white space don't count. numpy and rensa are loaded here, so only child processes may import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import rensa

from modelforge.datasets.fingerprints import Row, Said, said

NEAR = 0.8
"""Two rows at least this alike are near duplicates."""
GRAM = 5
"""Bytes of UTF-8 in a run. Runs of words tell less apart: a swapped word of a short row changes three of them whole,
and in languages without spaces a sentence is one word."""
BANDS, IN_BAND = 16, 6
HASHES = BANDS * IN_BAND
"""A pair is looked at where all hashes of some band agree: 0.8 % of pairs of similarity 0.8 are missed,
(1 - 0.8⁶)¹⁶, fewer of those that are more alike, and 22 % of those of 0.5 are looked at in vain."""
SEED = 42
_LEAST = Struct(f"={HASHES}I")

BATCH = 1024
"""Texts that are hashed together: a call of numpy for each would take longer than its work."""
LONGEST = 1_000_000
"""Characters of a text that are looked at; each takes 24 bytes meanwhile."""

Hashes = npt.NDArray[np.uint64]
Keys = npt.NDArray[np.uint32]

_KEPT = bytes(ord(chr(byte).lower()) if byte < 128 else byte for byte in range(256))
_DROPPED = bytes(byte for byte in range(1, 128) if not chr(byte).isalnum())
_PAD = GRAM - 1
_MASK = np.uint64((1 << (8 * GRAM)) - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_WEIGHTS = np.array([pow(0x9E3779B97F4A7C15, power, 1 << 64) | 1 for power in range(1, IN_BAND + 1)], dtype=np.uint64)


class Grams(NamedTuple):
    """The runs of characters of several texts, as numbers."""

    hashes: Hashes
    starts: npt.NDArray[np.int64]
    """Where each text's begin, and the end."""

    def of(self, number: int) -> Hashes:
        """Those of one text, each once."""
        return np.unique(self.hashes[self.starts[number] : self.starts[number + 1]])


def whole(text: Said) -> str:
    """What two rows are compared by: all of their texts."""
    return f"{text.prompt}\0{text.answer}"[:LONGEST]


def text_of(row: Row) -> str:
    """The same of a row as ``Shape.read`` gives it."""
    return whole(said(row))


def grams(texts: Sequence[str]) -> Grams:
    """All runs of all texts; those at a text's end go on with zeros, so that a short text has some, too."""
    whole = "\0".join(
        [text.replace("\0", " ") if text.isascii() else text.replace("\0", " ").lower() for text in texts]
    )
    data = whole.encode("utf-8", "surrogatepass").translate(_KEPT, _DROPPED) + b"\0"
    data = data.replace(b"\0", b"\0" * _PAD) + b"\0" * 8
    places = np.frombuffer(data, dtype=np.uint8)[:-8]
    ends = np.flatnonzero(places == 0).reshape(len(texts), _PAD)
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    starts[1:] = ends[:, 0] - _PAD * np.arange(len(texts))
    words = np.ndarray((len(places),), dtype="<u8", buffer=data, strides=(1,))
    hashes = (words & _MASK)[places != 0] * _MIX
    hashes ^= hashes >> _SHIFT
    return Grams(hashes, starts)


def keys_of(texts: Sequence[str]) -> Keys:
    """For each text and each band a number that near duplicates are likely to share. Texts without any run, which have
    neither letters nor digits, are alike in nothing, and their keys mean nothing."""
    made = [_keys(grams(texts[at : at + BATCH])) for at in range(0, len(texts), BATCH)]
    return np.concatenate([np.zeros((0, BANDS), dtype=np.uint32), *made])


def _keys(found: Grams) -> Keys:
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        found.hashes, found.starts.astype(np.uint64), HASHES, SEED
    )
    # Four times as fast as np.array is with lists.
    least = np.frombuffer(b"".join([_LEAST.pack(*row) for row in matrix.to_rows()]), dtype=np.uint32)
    bands = least.astype(np.uint64).reshape(-1, BANDS, IN_BAND)
    mixed = (bands * _WEIGHTS).sum(axis=2, dtype=np.uint64)
    # Half of it is enough: rows that look alike are compared.
    halves: Keys = (mixed >> np.uint64(32)).astype(np.uint32)
    return halves


def alike(one: Hashes, other: Hashes) -> float:
    """The similarity of two texts by what ``Grams.of`` gave for each."""
    if not len(one) or not len(other):
        return 0.0
    if min(len(one), len(other)) < NEAR * max(len(one), len(other)):
        return 0.0  # cannot be near, whatever they share
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
