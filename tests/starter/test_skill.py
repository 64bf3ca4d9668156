"""What the bundled model can do, on a small fixed sample of held-out questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starter.corpus.mixture import held_out_examples
from starter.evaluate import answers, exact_match, perplexity

# The promise over many questions; a sample of 40 may fall short of it by SLACK.
PROMISED = {
    "small talk": 0.85,
    "categories": 0.85,
    "definitions": 0.85,
    "how-to": 0.85,
    "rewriting": 0.85,
    "passage questions": 0.85,
    "opposites": 0.70,
}
SLACK = 0.075


@pytest.mark.parametrize("kind", PROMISED)
def test_held_out_questions_are_answered_word_for_word(
    kind: str, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    score, mistakes = exact_match(model, tokenizer, held_out_examples(kind, 40))
    assert score >= PROMISED[kind] - SLACK, mistakes


def test_the_figures_of_the_card_keep_the_promise(folder: Path) -> None:
    scores = json.loads((folder / "training.json").read_text())["exact_match"]
    assert {kind for kind, least in PROMISED.items() if scores[kind] < least} == set()


def test_held_out_text_is_expected(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    pooled = [example for kind in PROMISED for example in held_out_examples(kind, 10)]
    assert perplexity(model, tokenizer, pooled) < 1.5


def test_an_answer_does_not_depend_on_its_neighbours(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    questions = ["Hello", "What is a hammer?", "Tell me how to make tea."]
    alone = [answers(model, tokenizer, [question])[0] for question in questions]
    assert answers(model, tokenizer, questions) == alone
