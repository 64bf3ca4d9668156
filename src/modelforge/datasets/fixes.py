"""What can be mended in a dataset without asking a person: each fix by its name, in the order in which they go."""

from __future__ import annotations

import html
import re
from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from html.entities import html5
from typing import TYPE_CHECKING, Any

from modelforge.datasets import codes
from modelforge.datasets.answers import places_of
from modelforge.datasets.content import is_sheet_error, private_spots, suspects, texts
from modelforge.datasets.formats import Looks, Shape
from modelforge.datasets.rewrite import Tally
from modelforge.datasets.rows import BadLine, Row
from modelforge.registry import Registry

if TYPE_CHECKING:
    from modelforge.contracts.version import FixName

Mend = Callable[[str], str]

_ROUNDS = 5
"""A mended text is looked at again until nothing is left to mend, so that a second run changes nothing."""
_REDACTED = {
    codes.SECRET.name: "SECRET",
    codes.EMAIL_ADDRESS.name: "EMAIL",
    codes.PHONE_NUMBER.name: "PHONE",
    codes.CARD_NUMBER.name: "CARD",
}
_KEY_END = re.compile("-----END [A-Z ]*PRIVATE KEY-----")
_BREAKS = re.compile("[\x0b\x0c\x85]")
_ENTITY = re.compile("&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_LOST = "\ufffd"
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to mend."""

    name: FixName
    title: str
    mend: Mend | None = None
    """For each text of a row, wherever it stands in it; None for a fix that removes rows."""
    suspects: bool = False
    """Whether only lines need to be looked at that ``content.suspects`` names."""
    together: bool = False
    """Whether all rows are looked at together before one is removed."""
    certain: bool = True
    """Whether what it takes away says nothing of its own. Carrot cake and cheesecake are nearly the same."""


def without_controls(text: str) -> str:
    """Old printers' line breaks become line breaks; what no text holds goes, halves of surrogate pairs too."""
    return _CONTROLS.sub("", _BREAKS.sub("\n", text))


def repaired(text: str) -> str:
    """The text as it was before it was read in the wrong encoding: ``Ã©`` is é."""
    if text.isascii():
        return text
    from ftfy import fix_encoding  # noqa: PLC0415 - the server names fixes and applies none

    return fix_encoding(text)


def decoded(text: str) -> str:
    """What HTML writes by names and numbers, as it is: ``&amp;`` is &. What is none of its names, or the number of no
    character that a text holds, stays."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    written = found[0]
    if written[1] != "#":
        return html5.get(written[1:], written)
    character = html.unescape(written)
    return written if not character or character == _LOST or _CONTROLS.search(character) else character


def redacted(text: str) -> str:
    """What is nobody else's business replaced by what it was: ``[EMAIL]``."""
    spots = sorted(private_spots(text), key=lambda spot: (spot.start, -spot.end))
    if not spots:
        return text
    parts, at = [], 0
    for spot in spots:
        if spot.start < at:  # a number within a key
            continue
        end = spot.end
        if text.startswith("-----BEGIN", spot.start):
            last = _KEY_END.search(text, spot.end)
            end = last.end() if last else len(text)
        parts += [text[at : spot.start], f"[{_REDACTED[spot.code.name]}]"]
        at = end
    return "".join([*parts, text[at:]])


FIXES = Registry(
    "fix",
    Fix(
        "repair_mojibake",
        "Put letters right that were read in the wrong encoding (Ã© becomes é)",
        repaired,
        suspects=True,
    ),
    Fix(
        "decode_html_entities",
        "Write characters as they are that HTML writes otherwise (&amp; becomes &)",
        decoded,
    ),
    Fix(
        "remove_control_characters",
        "Remove what no text holds: NUL, escapes, halves of emoji",
        without_controls,
    ),
    Fix("trim_whitespace", "Remove spaces and line breaks at the beginning and the end of texts", str.strip),
    Fix(
        "redact_personal_data",
        "Replace e-mail addresses, phone and card numbers and keys by [EMAIL] and the like",
        redacted,
        suspects=True,
    ),
    Fix("drop_bad_rows", "Remove rows that cannot be trained on"),
    Fix("drop_spreadsheet_errors", "Remove rows with a text that is a spreadsheet's error (#REF!)"),
    Fix("drop_exact_duplicates", "Remove rows that are the same as an earlier one", together=True),
    Fix(
        "drop_near_duplicates",
        "Remove rows that are nearly the same as an earlier one",
        together=True,
        certain=False,
    ),
)


class Mender:
    """Applies fixes to one row after the other, and counts. A ``rewrite.Step``."""

    def __init__(self, names: Collection[str], shape: Shape | None) -> None:
        self.done = {fix.name: Done() for fix in FIXES if fix.name in names and not fix.together}
        self.changed = array("q")
        """The numbers of all rows that changed."""
        self._mends = [(fix, settled(fix.mend)) for fix in FIXES if fix.name in names and fix.mend is not None]
        drops: dict[FixName, Callable[[Row | BadLine], bool]] = {
            "drop_bad_rows": self._is_bad,
            "drop_spreadsheet_errors": self._holds_error,
        }
        self._drops = [(self.done[name], drop) for name, drop in drops.items() if name in names]
        self._looks = None if shape is None else Looks(shape)
        self._first, self._odd = 1, frozenset[int]()

    def begin(self, number: int, block: bytes) -> None:
        """The rows of this block come next, the first of which has this number."""
        self._first, self._odd = number, _odd(block)

    def __call__(self, number: int, row: Row | BadLine) -> Row | BadLine | None:
        if isinstance(row, dict):
            row = self._mended(number, row)
        for done, drop in self._drops:
            if drop(row):
                done.removed.add(number)
                return None
        return row

    def _mended(self, number: int, row: Row) -> Row:
        touched: set[FixName] = set()
        odd = number - self._first in self._odd
        # What one fix mends may give another something to do: a row is done when all have nothing left.
        for _ in range(_ROUNDS):
            before = row
            for fix, mend in self._mends:
                if fix.suspects and not (odd or touched):
                    continue
                new = mended(row, mend)
                if new is row:
                    continue
                new = with_answers_moved(row, new)
                if self._usable(row) and not self._usable(new):
                    self.done[fix.name].spare(number)
                    continue
                touched.add(fix.name)
                row = new
            if row is before:
                break
        for name in touched:
            self.done[name].changed.add(number)
        if touched:
            self.changed.append(number)
        return row

    def _is_bad(self, row: Row | BadLine) -> bool:
        return not self._usable(row)

    def _holds_error(self, row: Row | BadLine) -> bool:
        """In a field that is learnt from."""
        if not isinstance(row, dict) or self._looks is None:
            return False
        form, _ = self._looks.form_of(row)
        return any(is_sheet_error(text) for name in form.fields + form.optional for text in texts(row.get(name)))

    def _usable(self, row: Row | BadLine) -> bool:
        if not isinstance(row, dict) or self._looks is None:
            return isinstance(row, dict)
        return isinstance(self._looks(row), dict)


def _odd(block: bytes) -> frozenset[int]:
    odd = suspects(block)
    # An @ may be written as an escape, too.
    if b"\\u00" in block:
        odd |= {at for at, line in enumerate(block.split(b"\n")) if b"\\u00" in line}
    return odd


@dataclass(slots=True)
class Done:
    """What a fix did."""

    changed: Tally = field(default_factory=Tally)
    removed: Tally = field(default_factory=Tally)
    spared: int = 0
    _last_spared: int = 0

    def spare(self, row: int) -> None:
        # Once for a row, in however many rounds.
        self.spared += row != self._last_spared
        self._last_spared = row


def settled(mend: Mend) -> Mend:
    """The same, until it has nothing left to do."""

    def whole(text: str) -> str:
        for _ in range(_ROUNDS):
            new = mend(text)
            if new == text:
                return text
            text = new
        return text

    return whole


def mended(value: Any, mend: Mend) -> Any:
    """The value with every text in it mended; the very same object where there is nothing to mend."""
    if type(value) is str:
        new = mend(value)
        return value if new == value else new
    if type(value) is dict:
        changed = {name: new for name, each in value.items() if (new := mended(each, mend)) is not each}
        return {**value, **changed} if changed else value
    if type(value) is list:
        items = [mended(each, mend) for each in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def with_answers_moved(before: Row, after: Row) -> Row:
    """The mended row of a question about a text, where answers stand elsewhere in the text now: their ``answer_start``
    follows them."""
    old, new = before.get("context"), after.get("context")
    if not isinstance(old, str) or not isinstance(new, str) or old == new:
        return after
    if type(start := before.get("answer_start")) is int:
        return {**after, "answer_start": _moved(old, new, before.get("answer"), after.get("answer"), start)}
    answers, mended_answers = before.get("answers"), after.get("answers")
    if not isinstance(answers, dict) or not isinstance(mended_answers, dict):
        return after
    texts, starts = answers.get("text"), answers.get("answer_start")
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        return after
    moved = [
        _moved(old, new, text, mended_text, start)
        for text, mended_text, start in zip(texts, mended_answers["text"], starts, strict=True)
    ]
    return {**after, "answers": {**mended_answers, "answer_start": moved}}


def _moved(old: str, new: str, answer: object, mended_answer: object, start: object) -> object:
    """Where the answer stands after: at the same one of the places where it stands."""
    if not isinstance(answer, str) or not isinstance(mended_answer, str) or not answer or not mended_answer:
        return start
    places, mended_places = places_of(old, answer), places_of(new, mended_answer)
    return mended_places[places.index(start)] if start in places and len(places) == len(mended_places) else start


class Remover:
    """Takes rows out by their numbers. A ``rewrite.Step``."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """They rise."""
        self._numbers = numbers
        self._next = 0
        self.removed = Tally()

    def __call__(self, number: int, row: Row | BadLine) -> Row | BadLine | None:
        if self._next == len(self._numbers) or self._numbers[self._next] != number:
            return row
        self._next += 1
        self.removed.add(number)
        return None
