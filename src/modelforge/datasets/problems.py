"""What can be wrong with a value in a row, in words."""

from __future__ import annotations

from typing import NamedTuple

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

    kind: str
    """The same words for every row with this problem: of a limited number, whatever the file holds."""
    place: str = ""
    """Where in the row."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.place})" if self.place else self.kind


def is_missing(field: str) -> Problem:
    """A field that must be there is not."""
    return Problem(f"field '{field}' is missing")


def type_name(value: object) -> str:
    """What a JSON value is, for people: ``a number``."""
    return _TYPES[type(value)]


def text_problem(value: object) -> str | None:
    """Why no field can hold this value, as the end of a sentence; None for text that a tokenizer takes."""
    if type(value) is not str:
        return f"is {type_name(value)}, not a string"
    if not value:
        return "is empty"
    if value.isspace():
        return "holds only white space"
    if "\0" in value:
        return "holds a NUL character"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # JSON lets "\ud800" through, which is no character
            return "holds half a surrogate pair"
    return None


def shown(text: str) -> str:
    """A name or word out of a file, in quotes, in one line of characters that every client can show."""
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f"'{''.join(char if char.isprintable() else ascii(char)[1:-1] for char in text)}'"
