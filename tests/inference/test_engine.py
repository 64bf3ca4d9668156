"""What is generated, against transformers' own and against what the model was taught."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from modelforge.contracts.playground import GenerateReply, GenerateRequest
from modelforge.errors import InvalidRequest
from modelforge.inference.engine import Cancelled, answer
from modelforge.inference.protocol import ModelTarget
from modelforge.inference.shelf import LoadedModel, Shelf
from modelforge.tasks.rendering import prompt_ids
from tests.tiny import TALK, make_tiny_model


def quiet(_: str) -> None:
    pass


def target(folder: Path, *, tuned: bool = True) -> ModelTarget:
    return ModelTarget(path=str(folder), provider="huggingface", task="text-generation", tuned=tuned)


def load(folder: Path) -> LoadedModel:
    return Shelf("cpu", 0, quiet).get(target(folder))


@pytest.fixture
def taught(taught_model: Path) -> Path:
    return taught_model


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("plain") / "model", chat_template=False, taught=TALK)


def ask(
    folder: Path,
    prompt: str,
    *,
    tuned: bool = True,
    timeout: float = 60,
    loaded: LoadedModel | None = None,
    **options: Any,
) -> GenerateReply:
    request = GenerateRequest(model_id=1, prompt=prompt, **{"temperature": 0, **options})
    return answer(loaded or load(folder), target(folder, tuned=tuned), request, timeout, lambda: False)


@pytest.mark.parametrize(("question", "said"), TALK)
def test_a_taught_model_says_what_it_was_taught_and_stops(taught: Path, question: str, said: str) -> None:
    reply = ask(taught, question)
    tokenizer = AutoTokenizer.from_pretrained(taught)
    assert reply.generated_text == said
    assert reply.finish_reason == "stop"
    assert reply.tokens_generated == len(tokenizer(said)["input_ids"])  # without the end token


def test_without_a_template_the_format_of_the_training_is_used(plain: Path) -> None:
    question, said = TALK[2]
    assert ask(plain, question).generated_text == said
    assert ask(plain, question, tuned=False).generated_text != said  # a base model goes on with the bare text


def test_greedy_is_what_transformers_gives(tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    for prompt in ("Say hello.", "What is the capital of Poland? 🙂", "x"):
        ids = prompt_ids(tokenizer, prompt, tuned=False)
        inputs = torch.tensor([ids])
        output = model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            generation_config=GenerationConfig(max_new_tokens=40, do_sample=False, eos_token_id=3, pad_token_id=0),
        )
        expected = tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True)
        reply = ask(tiny_model, prompt, tuned=False, max_new_tokens=40)
        assert reply.generated_text == expected.removesuffix("\ufffd")
        assert reply.tokens_generated == 40
        assert reply.finish_reason == "length"


def test_sampling_is_repeatable_by_its_seed_and_follows_its_options(tiny_model: Path) -> None:
    loaded = load(tiny_model)

    def draw(**options: Any) -> str:
        return ask(tiny_model, "Say hello.", loaded=loaded, max_new_tokens=30, **options).generated_text

    greedy = draw()
    assert draw(temperature=1.0, seed=7) == draw(temperature=1.0, seed=7) != draw(temperature=1.0, seed=8)
    assert draw(temperature=1.0, top_p=1.0) != draw(temperature=1.0, top_p=1.0)  # no seed, no repetition
    assert draw(temperature=1.0, top_p=1e-6, seed=7) == greedy  # only the likeliest token is left
    assert draw(temperature=1e-4, top_p=1.0, seed=7) == greedy


def test_the_models_own_sampling_settings_stay_out(tmp_path: Path, tiny_model: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    own = GenerationConfig(
        do_sample=True, temperature=5.0, top_k=1, repetition_penalty=3.0, max_length=70, eos_token_id=3
    )
    own.save_pretrained(folder)
    with_them, without = (ask(model, "Say hello.", max_new_tokens=60) for model in (folder, tiny_model))
    assert with_them.generated_text == without.generated_text
    assert with_them.tokens_generated == without.tokens_generated == 60
    sampled = {ask(folder, "Say hello.", temperature=1.0, top_p=1.0, seed=n).generated_text for n in range(4)}
    assert len(sampled) == 4  # its top_k of 1 would make them one


def test_an_end_token_of_the_models_generation_settings_ends_too(tmp_path: Path, taught: Path) -> None:
    folder = Path(shutil.copytree(taught, tmp_path / "model"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(TALK[0][1])["input_ids"]
    GenerationConfig(eos_token_id=[3, ids[2]]).save_pretrained(folder)
    reply = ask(folder, TALK[0][0])
    assert (reply.tokens_generated, reply.finish_reason) == (2, "stop")
    assert reply.generated_text == tokenizer.decode(ids[:2])


def test_the_timeout_ends_with_what_there_is(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model", context=100_000)
    reply = ask(folder, "Say hello.", max_new_tokens=30_000, timeout=0.5)
    assert reply.finish_reason == "timeout"
    assert 0 < reply.tokens_generated < 30_000
    assert 500 <= reply.generation_time_ms < 5_000


def test_a_cancelled_generation_ends_at_once(tiny_model: Path) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    request = GenerateRequest(model_id=1, prompt="Say hello.", temperature=0)
    with pytest.raises(Cancelled):
        answer(load(tiny_model), target(tiny_model), request, 60, cancelled)
    assert asked == 3


def test_the_context_bounds_prompt_and_answer(tiny_model: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"the prompt has \d{3} tokens .* context holds 256"):
        ask(tiny_model, "Why? " * 200)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    text = "x" * 200
    length = len(prompt_ids(tokenizer, text, tuned=True))
    reply = ask(tiny_model, text, max_new_tokens=30_000)
    assert (reply.tokens_generated, reply.finish_reason) == (256 - length, "length")


def test_a_character_that_is_not_whole_yet_is_left_out(taught: Path) -> None:
    question, said = TALK[2]
    loaded = load(taught)
    whole = loaded.tokenizer(said)["input_ids"]
    texts = [ask(taught, question, loaded=loaded, max_new_tokens=n + 1).generated_text for n in range(len(whole))]
    assert texts[-1] == said
    assert all(said.startswith(text) for text in texts), texts


def test_a_base_models_answer_keeps_the_space_before_it(plain: Path) -> None:
    reply = ask(plain, "### Instruction:\nName a colour.\n\n### Response:\nBlue", tuned=False)
    assert reply.generated_text == " is a colour."


@pytest.mark.parametrize("together", [True, False])
def test_an_answer_is_said_in_pieces_that_join_to_it(taught: Path, plain: Path, together: bool) -> None:
    """Where requests run together, and where transformers generates one by one."""
    for folder, tuned in ((taught, True), (plain, True), (plain, False)):
        loaded = replace(load(folder), **({} if together else {"batch": None}))
        for options in ({"temperature": 0}, {"temperature": 1.5, "seed": 4, "max_new_tokens": 40}):
            pieces: list[str] = []
            request = GenerateRequest(model_id=1, prompt=TALK[2][0], **options)
            reply = answer(loaded, target(folder, tuned=tuned), request, 60, lambda: False, pieces.append)
            assert "".join(pieces) == reply.generated_text and all(pieces) and (len(pieces) > 2 or not tuned)
            assert reply == answer(loaded, target(folder, tuned=tuned), request, 60, lambda: False).model_copy(
                update={"generation_time_ms": reply.generation_time_ms}
            )
