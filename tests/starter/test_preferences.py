"""The preference data and the rules that its style is checked by."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starter.corpus.grammar import article
from starter.evaluate import answers
from starter.lexicon import describing, names, nouns
from starter.preferences import ROWS, pairs, preferred, whole

ASKED = "Please say in one sentence what Anna has: Anna has a red lamp."


def test_the_file_is_what_the_module_writes(datasets: Path) -> None:
    file = datasets / "preferences.jsonl"
    written = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert written == [asdict(pair) for pair in pairs(ROWS)]
    assert file.stat().st_size < 200_000


def test_chosen_answers_have_the_style_and_rejected_ones_do_not() -> None:
    for pair in pairs(ROWS) + pairs(200, held_out=True):
        assert preferred(pair.prompt, pair.chosen) and whole(pair.prompt, pair.chosen)
        assert not preferred(pair.prompt, pair.rejected) and not whole(pair.prompt, pair.rejected)


def test_no_held_out_sentence_is_in_the_data_and_its_words_are_the_starters() -> None:
    held = {pair.chosen for pair in pairs(300, held_out=True)}
    assert len(held) == 300
    assert not held & {pair.chosen for pair in pairs(2000, seed=7)}
    known = {*names.PEOPLE, *names.SURNAMES, "Mr", "Mrs", "Ms", "Dr", *describing.ADJECTIVES, "a", "an"}
    known |= {word for thing in nouns.THINGS for word in article(thing).split()}
    verbs = {"has", "likes", "carries", "wants", "needs", "sells"}
    assert {word for sentence in held for word in sentence.removesuffix(".").split()} <= known | verbs


def test_a_seed_fixes_the_pairs() -> None:
    assert pairs(20) == pairs(20)
    assert pairs(20) != pairs(20, seed=1)


@pytest.mark.parametrize(
    ("answer", "has_style", "is_whole"),
    [
        ("Anna has a red lamp.", True, True),
        ("Anna has the red lamp.", True, True),
        ("Ben has a red lamp.", True, False),
        ("Anna has a blue lamp.", True, False),
        ("Anna wants a red lamp.", True, False),
        ("Anna has a lamp.", True, False),
        ("Mrs Hill has a red lamp.", True, False),
        ("Anna.", False, False),
        ("A red lamp.", False, False),
        ("Anna has a red lamp", False, False),
        ("Anna has a red lamp. Anna has a red lamp.", False, False),
        ("Anna. Anna has a red lamp.", False, False),
        ("Anna has a red lamp. ", False, False),
        ("anna has a red lamp.", False, False),
        ("Anna red lamp.", False, False),
        ("", False, False),
    ],
)
def test_the_rules(answer: str, has_style: bool, is_whole: bool) -> None:
    assert preferred(ASKED, answer) is has_style
    assert whole(ASKED, answer) is is_whole


def test_the_starter_rarely_has_the_style(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    asked = pairs(60, held_out=True)
    given = answers(model, tokenizer, [pair.prompt for pair in asked], max_new_tokens=32)
    share = sum(preferred(pair.prompt, text) for pair, text in zip(asked, given, strict=True)) / len(asked)
    assert 0 < share <= 0.4
