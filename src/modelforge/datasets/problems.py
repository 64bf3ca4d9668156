"""What can be wrong with a value in a row, in words."""

from __future__ import annotations

from typing import NamedTuple

from modelforge.datasets import codes
from modelforge.datasets.codes import Code

_TYPES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
    str: "a string",
}


class Problem(NamedTuple):
    """Why a row cannot be trained on."""

    code: Code
    kind: str
    """The same words for every row with this problem: of a limited number, whatever the file holds."""
    place: str = ""
    """Where in the row."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.place})" if self.place else self.kind


class Flaw(NamedTuple):
    """Why no field can hold a value."""

    code: Code
    words: str
    """The end of a sentence."""

    def __str__(self) -> str:
        return self.words


def is_missing(field: str) -> Problem:
    """A field that must be there is not."""
    return Problem(codes.MISSING_FIELD, f"field '{field}' is missing")


def type_name(value: object) -> str:
    """What a JSON value is, for people: ``a number``."""
    return _TYPES[type(value)]


def text_problem(value: object) -> Flaw | None:
    """Why no field can hold this value; None for text that a tokenizer takes."""
    if type(value) is not str:
        return Flaw(codes.WRONG_TYPE, f"is {type_name(value)}, not a string")
    if not value:
        return _EMPTY
    if value.isspace():
        return _BLANK
    if "\0" in value:
        return _NUL
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON lets "\ud800" through, which is no character
            return _SURROGATE
    return None


_EMPTY = Flaw(codes.EMPTY_FIELD, "is empty")
_BLANK = Flaw(codes.BLANK_FIELD, "holds only white space")
_NUL = Flaw(codes.NUL_CHARACTER, "holds a NUL character")
_SURROGATE = Flaw(codes.HALF_SURROGATE, "holds half a surrogate pair")


def shown(text: str) -> str:
    """A name or word out of a file, in quotes, in one line of characters that every client can show."""
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f"'{''.join(char if char.isprintable() else ascii(char)[1:-1] for char in text)}'"
