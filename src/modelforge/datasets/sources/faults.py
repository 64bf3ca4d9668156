"""Why a row of a file cannot be read at all. Such a row is blank in the dataset, and told of by its number."""

from __future__ import annotations

from typing import NamedTuple

from modelforge.datasets.rows import MAX_DEPTH, MAX_LINE

EXCERPT = 400
"""Characters of what could not be read that are told."""


class Fault(NamedTuple):
    """A row that is none."""

    code: str
    """The same for every problem of this kind."""
    message: str
    """What is wrong: the same words for every row with this problem."""
    place: str = ""
    """Where in the row."""
    excerpt: str = ""
    """How it begins."""


TOO_LONG = Fault("line_too_long", f"longer than {MAX_LINE // 1_000_000} MB")
TOO_DEEP = Fault("too_deep", f"nested more than {MAX_DEPTH} levels deep")
TOO_MANY_DIGITS = Fault("too_many_digits", "a number has too many digits")
UNCLOSED_QUOTE = Fault("unclosed_quote", "a quote opens and is not closed as it should be")
STRAY_QUOTE = Fault("stray_quote", 'a quote within a quoted cell is not doubled ("")')
NO_VALUE = Fault("formula_without_value", "a formula has no value")
CELL_ERROR = Fault("cell_error", "a cell holds an error of the spreadsheet")
TORN = Fault("torn_document", "the file breaks off here")
NOT_SQUAD = Fault("torn_article", "an article without paragraphs, or a paragraph without context or questions")


def too_many(cells: int, columns: int) -> Fault:
    """Often a delimiter that stands in a cell without quotes around it."""
    return Fault("too_many_fields", "more cells than there are columns", f"{cells} instead of {columns}")


def too_few(cells: int, columns: int) -> Fault:
    """Often a record that was torn in two, by a line end in a cell without quotes or by the end of half a file."""
    return Fault("too_few_fields", "fewer cells than there are columns", f"{cells} instead of {columns}")


def undecodable(encoding: str, mark: str) -> Fault:
    """``mark`` is what ``encoding.MARK`` found."""
    place = f"byte 0x{ord(mark) - 0xDC00:02X}"
    return Fault("undecodable", f"not {'UTF-8' if encoding.startswith('utf-8') else encoding}", place)


def not_json(why: str) -> Fault:
    """``why`` is what the decoder says."""
    return Fault("not_json", f"not JSON: {why.strip(' :').removesuffix(' at')}")
