"""ROUGE (Lin 2004): how many of the words of one text stand in another, for texts in any script.

torchmetrics counts. Words and their stems are ours: Google's rouge_score, and torchmetrics unless told otherwise, drop
every sign that is not a-z or 0-9, so a summary in Russian or Chinese would score 0.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelforge.contracts.training import RougeLanguage

METRICS = ("rouge1", "rouge2", "rougeL")
"""F1 of words, of pairs of words, and of the longest common subsequence of words."""

_SHORTEST_STEMMED = 4
"""Letters; shorter words stay as they are, as in Google's rouge_score."""

# Scripts that put no spaces between words: their characters are taken for words, as is usual for ROUGE there.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_WORD = rf"(?V1){_UNSPACED}\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--{_UNSPACED}]+"


def word_splitter(language: RougeLanguage) -> Callable[[str], list[str]]:
    """A function from a text to its words, in lower case, without the endings that ``language`` gives to words.

    For English it gives what Google's rouge_score gives with ``use_stemmer=True``, and for ``none`` what it gives
    without, wherever a text is in ASCII.
    """
    import regex  # noqa: PLC0415 - comes with the training stack; re knows no scripts

    word = regex.compile(_WORD)
    stem = _stemmer(language)

    def split(text: str) -> list[str]:
        words: list[str] = word.findall(unicodedata.normalize("NFKC", text).lower())
        return [stem(each) if len(each) >= _SHORTEST_STEMMED else each for each in words]

    return split


def rouge(written: Sequence[str], wanted: Sequence[str], language: RougeLanguage) -> dict[str, float]:
    """Means over pairs of texts, each from 0 to 1, by the names in METRICS."""
    from torchmetrics.functional.text.rouge import rouge_score  # noqa: PLC0415 - loads torch

    scores = rouge_score(
        list(written),
        list(wanted),
        rouge_keys=METRICS,
        normalizer=str,
        tokenizer=word_splitter(language),
    )
    return {name: float(scores[f"{name}_fmeasure"]) for name in METRICS}


def _stemmer(language: RougeLanguage) -> Callable[[str], str]:
    from nltk.stem import PorterStemmer, SnowballStemmer  # noqa: PLC0415 - a tenth of a second

    if language == "none":
        return str
    # English by Porter's first stemmer and not by Snowball's: all published ROUGE scores are made with it.
    stemmer = PorterStemmer() if language == "english" else SnowballStemmer(language)
    stem: Callable[[str], str] = stemmer.stem
    return stem
