from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelforge.datasets import parts
from modelforge.datasets.codes import CODES
from modelforge.datasets.content import masked, spots, suspects
from modelforge.datasets.sources import faults
from modelforge.datasets.tally import EXCERPT, shortened
from modelforge.datasets.validate import validate

KEYS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "11ABCDEFG0" * 5,
    "sk-" + "proj-" + "Ab3d" * 10,
    "sk-" + "aB3dE" * 8,
    "hf_" + "AbCdEfGhIj" * 3 + "KlMn",
    "xoxb-" + "123456789012-abcdefABCDEF",
    "AIza" + "SyA-1234567890abcdefghijklmnopqrstu",
    "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
]
CARDS = ["4111 1111 1111 1111", "5500-0055-5555-5559", "378282246310005", "3782 822463 10005", "6011000990139424"]
PHONES = [
    "+49 30 1234567",
    "+1 (212) 555-0187",
    "+44 20 7946 0958",
    "212-555-0187",
    "(212) 555-0187",
    "030-1234567",
    "0171/2345678",
    "01 42 68 53 00",
]
MAILS = ["ada@example.org", "ada.lovelace+news@mail.example.co.uk", "x_1@a-b.io"]
MOJIBAKE = ["cafÃ©", "MÃ¼nchen", "itâ€™s", "20 Â°C", "â€œyesâ€\x9d", "ðŸ˜€", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Ã–sterreich"]


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("secret", KEYS),
        ("card_number", CARDS),
        ("phone_number", PHONES),
        ("email_address", MAILS),
        ("mojibake", MOJIBAKE),
        ("control_characters", ["a\x07b", "\x1b[1m", "a\x7f", "a\x0cb", "\ufeffa", "a\x9b"]),
        ("replacement_character", ["caf\ufffd"]),
        ("html_entities", ["Tom &amp; Jerry", "a &lt; b", "it&#39;s", "&nbsp;"]),
    ],
)
@pytest.mark.parametrize("around", ["{}", "It says: {}, or so.", 'a "{}"', "x\n{}\ny"])
def test_what_is_wrong_is_found(code: str, texts: list[str], around: str) -> None:
    for text in texts:
        whole = around.format(text)
        assert code in {spot.code.name for spot in spots(whole)}, whole
        for plain in (True, False):
            block = json.dumps({"input": whole}, ensure_ascii=plain).encode()
            assert suspects(b'{"input": "a"}\n' * 3 + block + b'\n{"input": "a"}') == {3}, whole


@pytest.mark.parametrize("text", ["#REF!", " #N/A ", "#DIV/0!"])
def test_a_spreadsheets_error_is_one_where_it_is_all_of_a_text(text: str) -> None:
    assert [spot.code.name for spot in spots(text)] == ["spreadsheet_error"]
    assert list(spots(f"Excel says {text}")) == []


@pytest.mark.parametrize(
    "text",
    [
        "Ordinary words, don't you think? 50 % of them: yes; no-one (at all) objects - 2 + 2 = 4.\n\tReally.",
        "naïve café, Müller & Söhne, Ålesund, GARÇON, IRMÃ – SÃO PAULO, l’été, “quoted”, ½ °C, £5, ЯЗЫК, Ñandú",
        "漢字, 😀, ça va â côté, Âge, À bientôt",
        "In 2019-2020 there were 1,234,567 people; 2024-01-15 10:30:00, ISBN 978-3-16-148410-0, 192.168.100.200",
        "a task-oriented-and-well-known-method, risk-based, sk-learn, eyJust, https://example.org/a/b?c=d&e=f#g",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b, 550e8400-e29b-41d4-a716-446655440000, hf_transfer",
        "4111 1111 1111 1112 is no card, nor is 1234567890123456, nor 3.14159265358979323846; v1.2.3, $10,000.00",
        "100 200 3000 4000 5000, 10-20-30, 555 1234, pi@home, @ada, a@b, decorators: @property, x ^ y",
        "&c; AT&T; a && b; &invalid &amp without its end",
    ],
)
def test_what_is_not_wrong_is_left_alone(text: str) -> None:
    assert list(spots(text)) == []
    assert masked(text) == text


def test_no_more_than_four_characters_of_what_is_private_are_shown() -> None:
    for text in [*KEYS, *CARDS, *PHONES, *MAILS]:
        told = masked(f"before {text} after")
        assert len(told) == len(f"before {text} after")
        assert text[:5] not in told
        assert told.startswith("before ") and (told.endswith(" after") or text.startswith("-----"))
    key = KEYS[0]
    for at in range(0, 400, 7):
        assert key[4:] not in shortened("x " * at + key + " y" * 300, 2 * at)
        assert len(shortened("x " * at + key + " y" * 300, 2 * at)) <= EXCERPT + 2


ODD = ["\x07", "\x7f", "\x85", "\x9f", "\ufeff", "\ufffd", "&amp;", "&#x27;", "#REF!", "Ã", "Â", "â", "€", "😀", "漢"]
PLAIN = [" ", "\n", "\\", '"', "a", "é", "1", "+", "-", ".", "@", "word", "/"]
PIECES = st.sampled_from([*KEYS, *CARDS, *PHONES, *MAILS, *MOJIBAKE, *ODD, *PLAIN])
TEXTS = st.one_of(st.lists(PIECES, max_size=5).map("".join), st.text(max_size=20))


@settings(max_examples=500, deadline=None)
@given(lines=st.lists(st.tuples(TEXTS, st.booleans()), min_size=1, max_size=6))
def test_a_quick_look_misses_nothing_that_a_close_one_finds(lines: list[tuple[str, bool]]) -> None:
    block = b"\n".join(
        json.dumps({"input": text}, ensure_ascii=plain).encode("utf-8", "replace") for text, plain in lines
    )
    found = suspects(block)
    assert {number for number, (text, _) in enumerate(lines) if any(spots(text))} <= found


def test_content_is_told_of_beside_the_errors(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    rows = [{"input": f"question {n}", "output": f"answer {n}"} for n in range(30)]
    rows[3]["output"] = "cafÃ©"
    rows[8]["output"] = "write to ada@example.org, ada@example.org"
    rows[9]["input"] = " loose "
    rows[9]["output"] = ""
    rows[10]["output"] += "\n"
    rows[12] = {"id": "ada@example.org", **rows[12]}  # is not learnt
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    report = validate(file)
    assert report.errors == ["line 10: field 'output' is empty"]
    told = {finding["code"]: finding for finding in report.findings}
    assert {code: finding["rows"] for code, finding in told.items()} == {
        "empty_field": [10],
        "mojibake": [4],
        "email_address": [9],
        "surrounding_whitespace": [10, 11],
    }
    assert told["email_address"]["count"] == 1
    assert (told["mojibake"]["place"], told["mojibake"]["fix"]) == ("field 'output'", "repair_mojibake")
    assert told["empty_field"]["excerpt"] == '{"input": " loose ", "output": ""}'
    assert all(CODES.get(code).advice == finding["advice"] for code, finding in told.items())


def test_several_processes_count_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = b'{"input": "a", "output": "b"}'
    odd = [
        b"",
        b"{",
        b'{"input": "a"}',
        b'{"input": " a", "output": "\\u00c3\\u00a9"}',
        b"\xff",
        b"[]",
        b"\xef\xbb\xbf{}",
    ]
    odd += ['{"input": "é", "output": "x@example.org"}'.encode(), b'{"prompt": "a", "chosen": "b", "rejected": "b"}']
    lines = [odd[number // 5 % len(odd)] if number % 5 == 0 else good for number in range(4000)]
    for end in (b"\n", b"\r\n"):
        file = tmp_path / "data.jsonl"
        file.write_bytes(b"\xef\xbb\xbf" + end.join(lines))
        one = validate(file, 1)
        for many in (2, 3, 5):
            assert validate(file, many) == one
    # A process that dies costs time and nothing else.
    monkeypatch.setattr(parts, "_serve", _die)
    assert validate(file, 2) == one


def _die(*_: object) -> None:
    raise SystemExit(1)


def test_every_code_says_what_to_do() -> None:
    assert len(CODES.names()) >= 50
    assert {fault.code for fault in vars(faults).values() if isinstance(fault, faults.Fault)} <= set(CODES.names())
    for code in CODES:
        assert code.says and code.advice.endswith(".")
        assert (code.severity == "error") == (code.group not in ("content", "together")) or code.name == "cut_rows"
