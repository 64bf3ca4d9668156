from __future__ import annotations

from typing import get_args

import pytest

from modelforge.contracts.training import RougeLanguage
from modelforge.tasks.rouge import METRICS, rouge, word_splitter

# What Google's rouge_score 0.1.2 gives for the pair: F1 of rouge1, rouge2 and rougeL, with its stemmer and without.
PUBLISHED = [
    (
        "The quick brown fox jumps over the lazy dog.",
        "The quick brown dog jumps on the log.",
        (0.705882, 0.266667, 0.588235),
        (0.705882, 0.266667, 0.588235),
    ),
    ("testing one two", "testing", (0.5, 0.0, 0.5), (0.5, 0.0, 0.5)),
    (
        "The cats were running happily through gardens",
        "A cat runs happy in the garden",
        (0.571429, 0.0, 0.428571),
        (0.142857, 0.0, 0.142857),
    ),
    ("the gunman kill police", "police killed the gunman", (1.0, 0.333333, 0.5), (0.75, 0.333333, 0.5)),
    (
        "Organizations' nationalities, relational conditionals: don't-stop 3.5% U.S.",
        "The organization's national relations conditionally don't stop, 3 5 US",
        (0.869565, 0.666667, 0.782609),
        (0.521739, 0.380952, 0.434783),
    ),
    ("", "a", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ("...", "...", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(("written", "wanted", "stemmed", "whole"), PUBLISHED)
def test_english_scores_are_those_of_googles_scorer(
    written: str, wanted: str, stemmed: tuple[float, ...], whole: tuple[float, ...]
) -> None:
    assert tuple(rouge([written], [wanted], "english").values()) == pytest.approx(stemmed, abs=1e-6)
    assert tuple(rouge([written], [wanted], "none").values()) == pytest.approx(whole, abs=1e-6)


def test_scores_are_means() -> None:
    assert rouge(["a b", "c"], ["a b", "d"], "none") == dict.fromkeys(METRICS, 0.5)


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("russian", "Кошки сидели на крыше", ["кошк", "сидел", "на", "крыш"]),
        ("german", "Häuser, HÄUSERN", ["haus", "haus"]),
        ("none", "今天天气很好。", ["今", "天", "天", "气", "很", "好"]),
        ("none", "ｶﾞﾗｽ ABC１２", ["ガ", "ラ", "ス", "abc12"]),
        ("none", "हिन्दी में \u0e19\u0e35\u0e49\u0e14\u0e35", ["हिन्दी", "में", "\u0e19\u0e35\u0e49", "\u0e14\u0e35"]),
        ("none", "Café cafe\u0301 snake_case 🙂", ["café", "café", "snake", "case"]),
    ],
)
def test_words_of_other_languages(language: RougeLanguage, text: str, words: list[str]) -> None:
    assert word_splitter(language)(text) == words


@pytest.mark.parametrize("language", get_args(RougeLanguage))
def test_every_language_has_its_stemmer_at_hand(language: RougeLanguage) -> None:
    assert rouge(["Ada Lovelace"], ["ada lovelace"], language) == dict.fromkeys(METRICS, 1.0)


def test_text_in_any_script_scores() -> None:
    for text in ("Сегодня хорошая погода", "今天天气很好", "اليوم الطقس جميل", "วันนี้อากาศดี"):
        assert rouge([text], [text], "none")["rougeL"] == 1.0
