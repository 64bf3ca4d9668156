"""What is wrong with texts that could be learnt from: damaged characters, secrets, personal data.

A whole block of lines is looked at as bytes first, which is quick; only the lines that may have something are looked at
as texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from modelforge.datasets import codes
from modelforge.datasets.codes import Code


class Spot(NamedTuple):
    """A place in a text that has something wrong."""

    code: Code
    start: int
    end: int


_MAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9](?:[\w.+-]{0,62}[A-Za-z0-9_])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}"
    r"[A-Za-z]{2,24}(?![\w-])",
    re.ASCII,
)
_SECRETS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"  # Amazon Web Services
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{36,255}"
    r"|glpat-[\w-]{20,64}"  # GitLab
    r"|sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]+-)?[\w-]{20,255}"  # OpenAI, Anthropic
    r"|(?:sk|rk)_live_[A-Za-z0-9]{16,255}"  # Stripe
    r"|hf_[A-Za-z0-9]{30,64}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}"  # Slack
    r"|AIza[\w-]{35}(?![\w-])"  # Google
    r"|eyJ[\w-]{10,4096}\.eyJ[\w-]{8,65536}\.[\w-]{16,4096}"  # JSON Web Token
    r")|-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY-----",
    re.ASCII,
)
_KEYLIKE = re.compile(r"[A-Z]{4}|[0-9]", re.ASCII)
"""What every key that begins with ``sk-`` has, and ``sk-`` before ordinary words has not."""
_CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)", re.ASCII)
_CARD_FORMS = re.compile(
    # Grouped in fours, or as American Express and Diners do, or not at all.
    r"\d{4}([ -]?)\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -]?)\d{6}\2\d{4,5}|\d{13,19}",
    re.ASCII,
)
_CARD_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}",
    re.ASCII,
)
_PHONE = re.compile(
    r"(?<![\w.+/-])(?<!\d )(?:"
    r"\+[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,5}\)?){2,6}"  # with its country
    r"|(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}([ .-]))[2-9]\d{2}(?(1)\1|[ .-])\d{4}"  # North America
    r"|\(?0[1-9]\d{1,4}\)?[ /-]\d{3,5}(?:[ -]?\d{2,5}){1,2}"  # with a dialling code, as in Germany or Britain
    r"|0[1-9](?:[ .]\d\d){4}"  # as in France
    r")(?![\w/-]|[. ]\d)",
    re.ASCII,
)
_MOJIBAKE = re.compile(
    # A letter of two or more bytes whose UTF-8 was read as Windows-1252 or Latin-1: Ã©, Ã¼, â€™, Â°, ðŸ˜€; and of
    # Cyrillic: Ð¿Ñ. What stands second is what these encodings make of the bytes 0x80 to 0xBF.
    # Quotation marks and dashes may follow a capital Ã as it is.
    r"[ÃÂ](?:[\x80-\xbf€‚ƒ†‡ˆ‰Š‹ŒŽ˜™š›œžŸ]|[„…‘’“”•–—](?=[A-Za-zÃ]))|â(?:€[\x80-\xbf™œ“”˜¦¢¡°º¹]|[\x80-\x84][\x80-\xbf]|„¢|‚¬|†[’\x90-\x94])"
    r"|ðŸ[\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|ð\x9f[\x80-\xbf]|ï¿½|ï»¿"
    r"|(?:[ÐÑ][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]){2}"
)
_CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
_SHEET = re.compile(r"\s*#(?:REF!|N/A|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)\s*")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,6}|#x[0-9A-Fa-f]{2,5});")


def spots(text: str) -> Iterator[Spot]:
    """All that is wrong in a text, code by code."""
    if not text.isascii():
        for found in _MOJIBAKE.finditer(text):
            yield Spot(codes.MOJIBAKE, *found.span())
        at = text.find("\ufffd")
        if at >= 0:
            yield Spot(codes.REPLACEMENT_CHARACTER, at, at + 1)
    for found in _CONTROLS.finditer(text):
        yield Spot(codes.CONTROL_CHARACTERS, *found.span())
    if "#" in text and _SHEET.fullmatch(text):
        yield Spot(codes.SPREADSHEET_ERROR, 0, len(text))
    if "&" in text:
        for found in _ENTITY.finditer(text):
            yield Spot(codes.HTML_ENTITIES, *found.span())
    yield from private_spots(text)


def private_spots(text: str) -> Iterator[Spot]:
    """What is nobody else's business: secrets, addresses, numbers. A text's places may overlap."""
    for found in _SECRETS.finditer(text):
        if not found[0].startswith("sk-") or _KEYLIKE.search(found[0]):
            yield Spot(codes.SECRET, *found.span())
    if "@" in text:
        for found in _MAIL.finditer(text):
            yield Spot(codes.EMAIL_ADDRESS, *found.span())
    cards = []
    for found in _CARD.finditer(text):
        if _is_card(found[0]):
            cards.append(found.span())
            yield Spot(codes.CARD_NUMBER, *found.span())
    for found in _PHONE.finditer(text):
        if _is_phone(found[0]) and not any(start < found.end() and found.start() < end for start, end in cards):
            yield Spot(codes.PHONE_NUMBER, *found.span())


def masked(text: str) -> str:
    """The text, as long as it is, with no more than the first four characters of what is private."""
    for spot in private_spots(text):
        # A key stands as a whole behind the line that begins it.
        end = len(text) if text.startswith("-----BEGIN", spot.start) else spot.end
        start = min(spot.start + 4, end)
        text = text[:start] + "*" * (end - start) + text[end:]
    return text


def _is_card(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    return _CARD_FORMS.fullmatch(found) is not None and _CARD_ISSUERS.fullmatch(digits) is not None and _luhn(digits)


def _luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) << (place & 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _is_phone(found: str) -> bool:
    return 9 <= sum(map(str.isdigit, found)) <= 15


# A block as bytes. Each look lets everything through that the looks at a text find, and little else.

_DIGITS = bytes(
    ord("0") if chr(byte).isdigit() and byte < 128 else ord("-") if chr(byte) in "-. ()/" else byte
    for byte in range(256)
)
"""Digits become 0, and what divides their groups a dash: few finds then see all long numbers."""
_NUMBERS = (b"000-000", b"00-00-00-00", b"0" * 13)
_ABROAD = re.compile(rb"\+[1-9](?:[-. ()/]{0,2}[0-9]){7}")
_TOKENS = bytes(ord("a") if byte < 128 and (chr(byte).isalnum() or chr(byte) in "_-") else 32 for byte in range(256))
_RUN = b"a" * 20
"""Keys are longer than words."""
_KEY_STARTS = re.compile(rb"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|sk-|[sr]k_live_|hf_|xox[abeoprs]-|AIza|eyJ")
_MAIL_END = re.compile(rb"@[A-Za-z0-9-]+\.[A-Za-z0-9]")
_AMPERSAND = re.compile(rb"&(?:[a-z]{2,4}|#[0-9xA-Fa-f]{2,7});")
_ESCAPED = re.compile(
    rb"\\[bf]|\\u(?:00(?:[0189][0-9A-Fa-f]|7[fF]|(?:[cC][23]|[dD][01]|[eE][2fF]|[fF]0)(?=\\u))|[fF](?:[fF]{2}[dD]|[eE][fF]{2}))"
)
"""Characters that are told of, and the first of what mojibake is made of, as JSON may write them."""
_RAW = re.compile(
    rb"\xc2[\x80-\x9f]|\xc3[\x82\x83\x90\x91\xa2\xaf\xb0][\xc2\xc5\xc6\xcb\xe2]|\xef\xbf\xbd|\xef\xbb\xbf"
)
"""The same in UTF-8."""
_FOREIGN = bytes(32 if byte < 128 else byte for byte in range(256))
"""What is ASCII becomes space between runs of what is not."""


def suspects(block: bytes) -> frozenset[int]:
    """The lines of a block, from 0, whose texts may have something wrong. Not those that merely could."""
    places = [found.start() for found in _ESCAPED.finditer(block)]
    if b"\x7f" in block:
        places += _finds(block, b"\x7f")
    # Runs of what is not ASCII are little to search, and most blocks have nothing in them.
    if not block.isascii() and _RAW.search(b" ".join(block.translate(_FOREIGN).split())):
        places += (found.start() for found in _RAW.finditer(block))
    places += (found.start() for found in _ABROAD.finditer(block))
    if b"@" in block:
        places += (found.start() for found in _MAIL_END.finditer(block))
    if b"&" in block:
        places += (found.start() for found in _AMPERSAND.finditer(block))
    if b'"#' in block:
        places += _finds(block, b'"#')
    digits = block.translate(_DIGITS)
    for number in _NUMBERS:
        places += _finds(digits, number)
    places += _finds(block, b"PRIVATE KEY-----")
    places += _keys(block)
    return _lines(block, places) if places else _NONE


_NONE: frozenset[int] = frozenset()


def _finds(block: bytes, what: bytes) -> Iterator[int]:
    at = block.find(what)
    while at >= 0:
        yield at
        # One place a line is enough.
        end = block.find(b"\n", at)
        at = block.find(what, end) if end >= 0 else -1


def _keys(block: bytes) -> Iterator[int]:
    tokens = block.translate(_TOKENS)
    at = tokens.find(_RUN)
    while at >= 0:
        end = tokens.find(b" ", at)
        end = len(tokens) if end < 0 else end
        if _KEY_STARTS.search(block, at, end):
            yield at
        at = tokens.find(_RUN, end)


def _lines(block: bytes, places: list[int]) -> frozenset[int]:
    lines, line, seen = set(), 0, 0
    for place in sorted(places):
        line += block.count(b"\n", seen, place)
        seen = place
        lines.add(line)
    return frozenset(lines)


def texts(value: Any) -> Iterator[str]:
    """The strings within a value."""
    if type(value) is str:
        yield value
    elif type(value) is list:
        for inner in value:
            yield from texts(inner)
    elif type(value) is dict:
        for inner in value.values():
            yield from texts(inner)
