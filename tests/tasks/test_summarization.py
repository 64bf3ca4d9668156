"""Small models of each kind learn to sum up, and what they are given in training is what they are given in use."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.errors import InvalidRequest
from modelforge.tasks import TASKS
from modelforge.tasks.base import IGNORED, Head, Measured
from modelforge.tasks.generation import generate_batch
from modelforge.tasks.rendering import end_ids, render
from modelforge.tasks.summarization import Summarization
from tests.tiny import make_tiny_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

TASK = Summarization()
WHO, WHAT, WHERE = (
    ("Ada", "Bo", "Cem", "Dora", "Èva", "Finn"),
    ("lamp", "rope", "boat", "bell"),
    ("market", "harbour", "пирс"),
)
NOISE = ["It was raining.", "The coffee was cold.", "Nobody said a word."]


def rows() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Texts with their summaries: what is learnt, and combinations of the same words that are not."""
    chance = random.Random(0)
    all_of_them = []
    for who, what, where in itertools.product(WHO, WHAT, WHERE):
        noise = chance.sample(NOISE, 2)
        text = f"{noise[0]} {who} went to the {where}. {noise[1]} There a {what} was for sale, and {who} took it."
        all_of_them.append({"input": text, "output": f"{who} bought a {what} at the {where}."})
    chance.shuffle(all_of_them)
    return all_of_them[:60], all_of_them[60:]


LEARNT, HELD_OUT = rows()


def config(**fields: Any) -> TrainingConfig:
    given = {"model_name": "m", "dataset": "d", "max_seq_length": 128, **fields}
    return TrainingConfig(task="summarization", **given)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models as small as these are no work for two, who would wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pair_tokenizer() -> PreTrainedTokenizerFast:
    """As T5's: it ends every text with its end token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text for row in LEARNT for text in row.values()], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")


def t5(vocab: int) -> PreTrainedModel:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocab,
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            decoder_start_token_id=0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def bart(vocab: int) -> PreTrainedModel:
    from transformers import BartConfig, BartForConditionalGeneration

    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=vocab,
            d_model=64,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
            max_position_embeddings=128,
            dropout=0.0,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
            decoder_start_token_id=1,
            forced_eos_token_id=1,
            # As in facebook/bart-large-cnn: a style for other data than ours.
            num_beams=4,
        )
    )


def teach(model: Any, batches: list[dict[str, Any]], epochs: int, rate: float) -> None:
    import torch

    steps = epochs * len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for batch in batches:
            loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()


@pytest.mark.parametrize(("make", "rate", "epochs", "size"), [(t5, 1e-2, 40, 20), (bart, 5e-3, 100, 30)])
def test_encoder_decoder_models_learn_to_sum_up(
    make: Any, rate: float, epochs: int, size: int, pair_tokenizer: PreTrainedTokenizerFast
) -> None:
    import torch

    torch.manual_seed(0)
    model = make(len(pair_tokenizer))
    chosen = config(source_prefix="summarize: ", rouge_language="english")
    assert TASK.head(model.config.to_dict(), "m") is Head.SEQ2SEQ
    stops: list[int] = []
    measured = Measured(model, pair_tokenizer, Head.SEQ2SEQ, chosen, lambda: stops.append(1))
    before = TASK.measure(measured, HELD_OUT)
    examples = [TASK.encode(pair_tokenizer, row, chosen, Head.SEQ2SEQ)[0].columns for row in LEARNT]
    collate = TASK.collator(pair_tokenizer)
    batches = [collate([dict(each) for each in examples[at : at + size]]) for at in range(0, len(examples), size)]
    teach(model, batches, epochs, rate)
    after = TASK.measure(measured, HELD_OUT)
    print(before, after)
    assert before["exact_match"] == 0.0
    assert before["rougeL"] < 0.4
    assert after["rougeL"] > 0.8
    assert after["exact_match"] >= 50
    assert 5 < after["summary_length"] < 9
    assert len(stops) == 4  # two batches of at most 8 rows, twice


def test_an_encoder_reads_the_prefix_and_the_beginning(pair_tokenizer: PreTrainedTokenizerFast) -> None:
    chosen = config(max_seq_length=16, max_target_length=5, source_prefix="Sum up: ")
    row = LEARNT[0]
    (example,) = TASK.encode(pair_tokenizer, row, chosen, Head.SEQ2SEQ)
    source = pair_tokenizer("Sum up: " + row["input"])["input_ids"]
    target = pair_tokenizer(row["output"])["input_ids"]
    assert example.input_ids == [*source[:15], 1]
    assert example.labels == target[:5]
    assert example.cut == len(source) - 16 + len(target) - 5
    assert TASK.prompt(pair_tokenizer, {"is_encoder_decoder": True}, row["input"], 16, "Sum up: ") == example.input_ids
    (whole,) = TASK.encode(pair_tokenizer, row, config(), Head.SEQ2SEQ)
    assert (whole.labels, whole.cut) == (target, 0)
    assert whole.labels[-1] == pair_tokenizer.eos_token_id
    batch = TASK.collator(pair_tokenizer)([dict(example.columns), dict(whole.columns)])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, len(whole.input_ids))
    assert batch["labels"][0].tolist() == [*target[:5], *[IGNORED] * (len(target) - 5)]
    assert int(batch["attention_mask"][0].sum()) == 16


TOKENIZERS: dict[str, dict[str, Any]] = {"a chat template": {}, "none": {"chat_template": None, "add_bos": True}}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("limit", [40, 64, 90])
def test_a_causal_model_loses_the_end_of_the_text_and_never_the_summary(kind: str, limit: int) -> None:
    tokenizer = make_tiny_tokenizer(**TOKENIZERS[kind])
    text = "Сегодня Èva купила лодку 🙂. " * 20
    summary = "Лодка."
    (example,) = TASK.encode(tokenizer, {"input": text, "output": summary}, config(max_seq_length=limit), Head.CAUSAL)
    assert len(example.input_ids) <= limit
    # As close to the limit as whole characters allow.
    assert len(example.input_ids) > limit - 5
    answer = [token for token in example.labels if token != IGNORED]
    assert tokenizer.decode(answer[:-1]) == summary
    assert answer[-1] == tokenizer.eos_token_id
    prompt = example.input_ids[: -len(answer)]
    assert "\ufffd" not in tokenizer.decode(prompt)
    read = tokenizer.decode(prompt, skip_special_tokens=True)
    assert text[:3] in read and example.cut > 0
    # The playground's prompt, where it has as much room.
    assert TASK.prompt(tokenizer, {"model_type": "llama"}, text, len(prompt)) == prompt


def test_a_short_text_is_rendered_as_any_question() -> None:
    tokenizer = make_tiny_tokenizer()
    (example,) = TASK.encode(tokenizer, LEARNT[0], config(), Head.CAUSAL)
    prompt, whole = render(tokenizer, LEARNT[0]["input"], LEARNT[0]["output"])
    assert (example.input_ids, example.cut) == (whole, 0)
    assert example.labels == [IGNORED] * len(prompt) + whole[len(prompt) :]
    (short,) = TASK.encode(tokenizer, LEARNT[0], config(max_target_length=3), Head.CAUSAL)
    assert (short.input_ids, short.cut) == (whole[: len(prompt) + 3], len(whole) - len(prompt) - 3)


def test_a_summary_that_leaves_no_room_for_its_text_is_no_example() -> None:
    tokenizer = make_tiny_tokenizer()
    row = {"input": "A text.", "output": "A very long summary of it, and more and more. " * 5}
    assert TASK.encode(tokenizer, row, config(max_seq_length=40), Head.CAUSAL) == []
    (example,) = TASK.encode(tokenizer, row, config(max_seq_length=60, max_target_length=10), Head.CAUSAL)
    assert sum(label != IGNORED for label in example.labels) == 10


def test_a_causal_model_learns_and_is_measured() -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tiny_tokenizer([text for row in LEARNT for text in row.values()])
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=128,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    chosen = config(per_device_eval_batch_size=4)
    assert TASK.head(model.config.to_dict(), "m") is Head.CAUSAL
    examples = [TASK.encode(tokenizer, row, chosen, Head.CAUSAL)[0] for row in LEARNT[:8]]
    width = max(len(example.input_ids) for example in examples)
    padded = {
        "input_ids": torch.tensor([e.input_ids + [0] * (width - len(e.input_ids)) for e in examples]),
        "attention_mask": torch.tensor([[1] * len(e.input_ids) + [0] * (width - len(e.input_ids)) for e in examples]),
        "labels": torch.tensor([e.labels + [IGNORED] * (width - len(e.labels)) for e in examples]),
    }
    measured = Measured(model, tokenizer, Head.CAUSAL, chosen, lambda: None)
    model.eval()
    assert TASK.measure(measured, LEARNT[:8])["exact_match"] == 0.0
    teach(model, [padded], 60, 8e-3)
    assert TASK.measure(measured, LEARNT[:8]) == pytest.approx(
        {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0, "exact_match": 100.0, "summary_length": 7.0}
    )
    # A text that is too long is cut for the model, not refused.
    long = [{"input": LEARNT[0]["input"] * 30, "output": LEARNT[0]["output"]}]
    assert 0.0 <= TASK.measure(measured, long)["rougeL"] <= 1.0
    assert TASK.measure(measured, []) == {}

    # Prompts of unequal length don't disturb each other, and the end token is not among what is new.
    prompts = [TASK.prompt(tokenizer, {}, text, 100) for text in (LEARNT[0]["input"], "Hi.", LEARNT[1]["input"])]
    ends = end_ids(tokenizer)
    together = generate_batch(model, tokenizer, prompts, Head.CAUSAL, 20, ends)
    assert together == [generate_batch(model, tokenizer, [each], Head.CAUSAL, 20, ends)[0] for each in prompts]
    assert tokenizer.decode(together[0]) == LEARNT[0]["output"]


def test_a_stop_comes_between_two_batches(pair_tokenizer: PreTrainedTokenizerFast) -> None:
    class Stopped(BaseException):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        TASK.measure(Measured(t5(len(pair_tokenizer)), pair_tokenizer, Head.SEQ2SEQ, config(), stop), HELD_OUT)


def test_heads_and_defaults() -> None:
    assert TASKS.get("summarization").name == TASK.name
    assert TASK.head({"model_type": "qwen2"}, "m") is Head.CAUSAL
    assert TASK.head({"model_type": "led", "is_encoder_decoder": True}, "m") is Head.SEQ2SEQ
    with pytest.raises(InvalidRequest, match=r"'m' is an encoder \(bert\).*summarization needs an encoder-decoder"):
        TASK.head({"model_type": "bert"}, "m")
    assert TASK.defaults(config()) == {"rouge_language": "english"}
    assert TASK.defaults(config(rouge_language="none")) == {}
    t5_config = {"is_encoder_decoder": True, "task_specific_params": {"summarization": {"prefix": "summarize: "}}}
    assert TASK.source_prefix(t5_config) == "summarize: "
    assert TASK.source_prefix({"is_encoder_decoder": True, "task_specific_params": None}) == ""
    assert TASK.options <= set(TrainingConfig.model_fields)
