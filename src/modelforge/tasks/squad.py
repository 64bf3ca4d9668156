"""Exact match and F1 of answers, as SQuAD's official scripts (v1.1 and v2.0, rajpurkar.github.io) define them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation and English articles, words apart by single spaces. Text of other scripts
    stays as it is."""
    kept = "".join(character for character in text.lower() if character not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def exact_match(answer: str, gold: str) -> float:
    """1 for the same text after ``normalise``, else 0."""
    return float(normalise(answer) == normalise(gold))


def f1(answer: str, gold: str) -> float:
    """How far the words of two answers agree, 0 to 1; by v2.0's rule, no words at all agree with no words."""
    found, wanted = normalise(answer).split(), normalise(gold).split()
    if not found or not wanted:
        return float(found == wanted)
    return _overlap(found, wanted)


def f1_v1(answer: str, gold: str) -> float:
    """As ``f1``, but by v1.1's rule: no words agree with nothing."""
    return _overlap(normalise(answer).split(), normalise(gold).split())


def _overlap(found: list[str], wanted: list[str]) -> float:
    same = sum((Counter(found) & Counter(wanted)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(found), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


def score(answers: Sequence[str], golds: Sequence[Sequence[str]]) -> dict[str, float]:
    """``exact_match`` and ``f1`` in percent, each answer held against the best of its right ones.

    ``golds`` without any text belong to unanswerable questions, whose right answer is the empty text; where there are
    such, v2.0's rules hold, and ``has_ans_exact``, ``has_ans_f1``, ``no_ans_exact`` and ``no_ans_f1`` come along.
    Nothing for no answers at all.
    """
    if not answers:
        return {}
    if all(golds):
        return _mean("exact_match", "f1", [_best(a, g, f1_v1) for a, g in zip(answers, golds, strict=True)])
    # v2.0 leaves out right answers that are only punctuation and articles, but decides by the data itself which
    # questions are unanswerable.
    scores = [_best(a, [g for g in right if normalise(g)] or [""], f1) for a, right in zip(answers, golds, strict=True)]
    has = [pair for pair, right in zip(scores, golds, strict=True) if right]
    has_not = [pair for pair, right in zip(scores, golds, strict=True) if not right]
    return {
        **_mean("exact_match", "f1", scores),
        **_mean("has_ans_exact", "has_ans_f1", has),
        **_mean("no_ans_exact", "no_ans_f1", has_not),
    }


def _best(answer: str, golds: Sequence[str], overlap: Callable[[str, str], float]) -> tuple[float, float]:
    return max(exact_match(answer, gold) for gold in golds), max(overlap(answer, gold) for gold in golds)


def _mean(exact: str, overlap: str, scores: Sequence[tuple[float, float]]) -> dict[str, float]:
    if not scores:
        return {}
    return {
        exact: 100 * sum(pair[0] for pair in scores) / len(scores),
        overlap: 100 * sum(pair[1] for pair in scores) / len(scores),
    }
