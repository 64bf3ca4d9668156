"""SQuAD's scores on cases worked out by hand from the official scripts' rules (evaluate-v1.1.py, evaluate-v2.0.py)."""

from __future__ import annotations

import pytest

from modelforge.tasks.squad import exact_match, f1, f1_v1, normalise, score


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        # Lower case, punctuation out (not replaced by a space), articles out, white space to single spaces: in this
        # order.
        ("The Cat", "cat"),
        ("  An  apple\ta\nday ", "apple day"),
        ("Then there", "then there"),
        ("U.S.A.", "usa"),
        ("well-known", "wellknown"),
        ("the-cat", "thecat"),
        ("'The' (cat)!", "cat"),
        ("A.", ""),
        ("$5,000", "5000"),
        # Only ASCII punctuation and English articles.
        ("Kraków, Małopolska", "kraków małopolska"),
        ("北京。", "北京。"),
        ("der Straße", "der straße"),
        ("“the” cat", "“ ” cat"),
        ("दिल्ली", "दिल्ली"),
        ("Thé à la", "thé à la"),
        ("🦊", "🦊"),
        ("", ""),
    ],
)
def test_normalised_text(text: str, normal: str) -> None:
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "overlap"),
    [
        ("The Denver Broncos.", "Denver Broncos", 1, 1),
        # One of two words, and all of the gold one's: precision 1/2, recall 1.
        ("Denver Broncos", "Broncos", 0, 2 / 3),
        # 2 words in common; precision 2/4, recall 2/3.
        ("in the city of Paris France", "Paris , France today", 0, 2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3)),
        # A word counts as often as it stands in both.
        ("new new york", "new york", 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("Rome", "Paris", 0, 0),
        ("東京", "東京", 1, 1),
        ("Krakow", "Kraków", 0, 0),
    ],
)
def test_two_answers_compared(answer: str, gold: str, exact: float, overlap: float) -> None:
    assert exact_match(answer, gold) == exact
    assert f1(answer, gold) == pytest.approx(overlap)
    assert f1_v1(answer, gold) == pytest.approx(overlap)


def test_the_versions_differ_where_no_word_is_left() -> None:
    assert f1("", "") == 1
    assert f1("The", "a") == 1
    assert f1("Paris", "") == f1("", "Paris") == 0
    # v1.1's script: no words in common, so 0, though the match is exact.
    assert exact_match("The", "a") == 1
    assert f1_v1("The", "a") == 0


def test_the_best_of_several_right_answers_counts() -> None:
    # exact: 0, 1, 0; F1: 2/3 (against "Broncos"), 1, 0.
    assert score(
        ["Denver Broncos", "Santa Clara", "red"], [["Broncos", "Denver team"], ["Levi's", "santa clara"], ["blue"]]
    ) == {"exact_match": pytest.approx(100 / 3), "f1": pytest.approx(100 * (2 / 3 + 1) / 3)}


def test_unanswerable_questions_by_the_rules_of_version_2() -> None:
    # Right by silence, wrong by speaking, right, wrong by silence, half right.
    given = ["", "Paris", "Rome", "", "old Oslo"]
    golds: list[list[str]] = [[], [], ["Rome"], ["Bern"], ["Oslo"]]
    assert score(given, golds) == {
        "exact_match": pytest.approx(100 * 2 / 5),
        "f1": pytest.approx(100 * (1 + 0 + 1 + 0 + 2 / 3) / 5),
        "has_ans_exact": pytest.approx(100 / 3),
        "has_ans_f1": pytest.approx(100 * (1 + 0 + 2 / 3) / 3),
        "no_ans_exact": pytest.approx(50),
        "no_ans_f1": pytest.approx(50),
    }


def test_a_right_answer_without_words_is_left_out_in_version_2() -> None:
    # "the" normalises to nothing and is dropped; were it kept, "a" would be an exact match.
    assert score(["a", ""], [["the", "Rome"], []])["has_ans_exact"] == 0
    # Where nothing else is left, the empty text is right.
    assert score(["", ""], [["the"], []])["has_ans_exact"] == 100


def test_only_unanswerable_questions_and_none_at_all() -> None:
    assert score(["", "x"], [[], []]) == {"exact_match": 50, "f1": 50, "no_ans_exact": 50, "no_ans_f1": 50}
    assert score([], []) == {}
