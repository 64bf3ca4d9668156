"""Rows of contexts, questions and answers as positions; and real models that learn to point at them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    BartConfig,
    BertConfig,
    BertForQuestionAnswering,
    BigBirdConfig,
    DebertaV2Config,
    DistilBertConfig,
    FNetConfig,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    PreTrainedConfig,
    Qwen2Config,
    RobertaConfig,
    SqueezeBertConfig,
    T5Config,
)

from modelforge.errors import InvalidRequest
from modelforge.inference.spans import answer
from modelforge.tasks.base import Head, Measured
from modelforge.tasks.extractive_qa import ExtractiveQa, answer_length, holds_unanswerable, lora_targets, span_head
from modelforge.tasks.windows import passage, read
from starter.questions import rows as notes
from tests.tasks.readers import FILLER, KINDS, PLACES, QUESTION, make_reader

TASK = ExtractiveQa()
READERS = {kind: make_reader(kind) for kind in KINDS}
SMALL: dict[str, Any] = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
MODELS: dict[str, tuple[str, PreTrainedConfig]] = {
    "bert": ("bert", BertConfig(**SMALL, intermediate_size=32)),
    "roberta": ("roberta", RobertaConfig(**SMALL, intermediate_size=32, pad_token_id=0)),
    "deberta-v2": ("deberta", DebertaV2Config(**SMALL, intermediate_size=32, relative_attention=True)),
    "distilbert": ("roberta", DistilBertConfig(vocab_size=400, dim=32, n_layers=2, n_heads=2, hidden_dim=32)),
    "modernbert": ("roberta", ModernBertConfig(**SMALL, intermediate_size=32, pad_token_id=0)),
    "fnet": ("deberta", FNetConfig(**SMALL, intermediate_size=32)),
    "big_bird": ("bert", BigBirdConfig(**SMALL, intermediate_size=32, attention_type="original_full", sep_token_id=3)),
    "bart": (
        "roberta",
        BartConfig(
            vocab_size=400,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
            decoder_start_token_id=3,
        ),
    ),
    "t5": (
        "t5",
        T5Config(vocab_size=400, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0),
    ),
    "llama": ("llama", LlamaConfig(**SMALL, intermediate_size=32, num_key_value_heads=1, pad_token_id=0)),
    "qwen2": ("qwen", Qwen2Config(**SMALL, intermediate_size=32, num_key_value_heads=1, pad_token_id=0)),
    "gpt2": ("qwen", GPT2Config(vocab_size=400, n_embd=32, n_layer=2, n_head=2)),
}


def settings(length: int = 96, **more: Any) -> Any:
    """The fields of the training configuration that this task reads."""
    fields = {"doc_stride": None, "max_answer_length": None, "per_device_eval_batch_size": 16}
    return SimpleNamespace(max_seq_length=length, **(fields | more))


def row(context: str, question: str, *texts: str) -> dict[str, Any]:
    found = [{"text": text, "start": context.index(text)} for text in texts if text]
    return {"context": context, "question": question, "answers": found}


def small_model(name: str) -> Any:
    torch.manual_seed(0)
    return AutoModelForQuestionAnswering.from_config(MODELS[name][1])


def batch(kind: str, given: Sequence[dict[str, Any]], length: int = 96) -> dict[str, torch.Tensor]:
    examples = [example for one in given for example in TASK.encode(READERS[kind], one, settings(length), Head.SPAN)]
    return TASK.collator(READERS[kind])([example.columns for example in examples])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sentence", "text"), PLACES)
def test_positions_are_those_of_the_answer(kind: str, sentence: str, text: str) -> None:
    tokenizer = READERS[kind]
    context = FILLER * 6 + sentence + FILLER
    examples = TASK.encode(tokenizer, row(context, QUESTION, text), settings(doc_stride=40), Head.SPAN)
    reading = read(tokenizer, QUESTION, context, max_seq_length=96, doc_stride=40)
    assert [example.input_ids for example in examples] == [window.input_ids for window in reading.windows]
    held = 0
    for example, window in zip(examples, reading.windows, strict=True):
        start, end = example.columns["start_positions"], example.columns["end_positions"]
        assert isinstance(start, int)
        assert isinstance(end, int)
        if start == end == window.null:
            continue
        held += 1
        first, last = (position - window.first + window.at for position in (start, end))
        begin, stop = passage(context, reading.offsets[first][0], reading.offsets[last][1])
        assert context[begin:stop] == text
    assert held


def test_the_first_answer_is_learnt_and_an_unanswerable_question_points_at_no_answer() -> None:
    context = "Tom lives in Paris, near the river."
    first = TASK.encode(READERS["bert"], row(context, QUESTION, "the river", "Paris"), settings(), Head.SPAN)[0]
    start, end = first.columns["start_positions"], first.columns["end_positions"]
    assert READERS["bert"].decode(first.input_ids[start : end + 1]) == "the river"  # type: ignore[misc, operator]
    for kind in KINDS:
        for example in TASK.encode(READERS[kind], row(FILLER * 5, QUESTION), settings(), Head.SPAN):
            null = 0 if kind not in ("llama", "qwen") else len(example.input_ids) - 1
            assert example.columns["start_positions"] == example.columns["end_positions"] == null


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_room_are_dropped_and_long_questions_cut(kind: str) -> None:
    given = row("Tom lives in Paris, near the river.", "Where? " * 100, "Paris")
    for length in (1, 2, 3):
        assert TASK.encode(READERS[kind], given, settings(length), Head.SPAN) == []
    cut = TASK.encode(READERS[kind], given, settings(90), Head.SPAN)
    assert cut
    assert cut[0].cut > 0
    # An answer that is longer than the window is in none of them.
    assert TASK.encode(READERS[kind], row(FILLER * 4, QUESTION, FILLER * 3), settings(32), Head.SPAN) == []


def test_a_batch_is_padded_by_length_and_not_by_token() -> None:
    tokenizer = make_reader("llama")
    tokenizer.pad_token = tokenizer.eos_token
    examples = [
        TASK.encode(tokenizer, row(context, QUESTION, "Paris"), settings(), Head.SPAN)[0]
        for context in ("Paris.", "Tom lives in Paris, near the river.")
    ]
    made = TASK.collator(tokenizer)([example.columns for example in examples])
    lengths = [len(example.input_ids) for example in examples]
    assert made["input_ids"].shape == made["attention_mask"].shape == (2, lengths[1])
    assert made["attention_mask"].sum(dim=1).tolist() == lengths
    # The last real token is the end token, which means no answer: it stays visible.
    assert made["input_ids"][0, lengths[0] - 1] == tokenizer.eos_token_id
    assert made["start_positions"].tolist() == [example.columns["start_positions"] for example in examples]
    assert "token_type_ids" not in made
    both = batch("bert", [row("Paris.", QUESTION, "Paris"), row(FILLER + "Paris.", QUESTION, "Paris")])
    assert both["token_type_ids"].shape == both["input_ids"].shape
    assert set(both["token_type_ids"].flatten().tolist()) == {0, 1}


def test_which_models_can_point() -> None:
    for kind in ("bert", "roberta", "deberta-v2", "llama", "qwen2", "t5", "bart"):
        assert TASK.head({"model_type": kind}, "m") is Head.SPAN
    with pytest.raises(InvalidRequest, match="no head for extractive question answering"):
        TASK.head({"model_type": "pegasus"}, "m")


def test_what_the_rows_tell() -> None:
    answered, open_one = row("Paris.", "Where?", "Paris"), row("Paris.", "When?")
    assert not holds_unanswerable([answered])
    assert holds_unanswerable([answered, open_one])
    assert answer_length(READERS["bert"], [answered, open_one]) == 30
    long = row(FILLER * 4, "What?", FILLER * 3)
    assert answer_length(READERS["bert"], [answered, long]) > 40


@pytest.mark.parametrize("name", MODELS)
def test_an_adapter_on_every_linear_layer_and_the_whole_head_learn(name: str) -> None:
    from peft import LoraConfig, get_peft_model

    kind, _ = MODELS[name]
    base = small_model(name)
    heads, targets = span_head(base), lora_targets(base)
    model: Any = get_peft_model(base, LoraConfig(r=4, target_modules=targets, modules_to_save=heads))
    examples = batch(kind, [row(f"{FILLER}Tom lives in {place}.", QUESTION, place) for place in ("Paris", "Rome")])
    loss = model(**examples).loss
    loss.backward()
    # A = any, B = 0 at first: the gradient is in B.
    grown = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    adapters = {n for n, _ in model.named_parameters() if "lora_B" in n}
    assert adapters
    # The query and key of a decoder's first position see one token only, and so learn nothing from one step.
    assert len(adapters & grown) >= 0.8 * len(adapters)
    assert any("modules_to_save" in n and heads[0] in n for n in grown)
    assert not any("lora" in n and f"{heads[0]}." in n for n, _ in model.named_parameters())
    given = answer(
        model.eval(),
        READERS[kind],
        QUESTION,
        FILLER * 5,
        max_seq_length=96,
        doc_stride=None,
        max_answer_length=9,
        allow_no_answer=False,
    )
    assert given.answer_start is not None
    assert (FILLER * 5)[given.answer_start :].startswith(given.text)


def test_token_types_reach_the_model_through_the_adapter() -> None:
    """PEFT's own class for question answering (``task_type="QUESTION_ANS"``) drops them."""
    from peft import LoraConfig, get_peft_model

    base = small_model("bert")
    model: Any = get_peft_model(base, LoraConfig(target_modules=lora_targets(base), modules_to_save=span_head(base)))
    given = batch("bert", [row("Tom lives in Paris, near the river.", QUESTION, "Paris")])
    with torch.no_grad():
        typed = model.eval()(**given).start_logits
        plain = model(**{**given, "token_type_ids": torch.zeros_like(given["token_type_ids"])}).start_logits
    assert not torch.allclose(typed, plain)


def test_a_model_without_linear_layers_is_refused_an_adapter() -> None:
    model = AutoModelForQuestionAnswering.from_config(
        SqueezeBertConfig(**SMALL, intermediate_size=32, embedding_size=32)
    )
    # Only its pooler is linear, if it has one.
    for child in model.transformer.children():
        if type(child).__name__.endswith("Pooler"):
            model.transformer.pooler = None
    with pytest.raises(InvalidRequest, match="use_lora false"):
        lora_targets(model)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two threads of a model this small wait for each other, for minutes on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_small_encoder_learns_to_read_and_to_say_that_there_is_no_answer() -> None:
    """All weights, from scratch, on notes that it has not seen; a guess among a note's facts is right one time in
    four."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = list(notes(210, 1, ("colour", "job", "pet", "town"), unanswerable=True))
    rows = [row(one["context"], one["question"], one["answer"]) for one in made]
    # Four rows to a note: the notes of the held-out rows are in no other.
    train, held = rows[:680], rows[680:]
    core = Tokenizer(models.WordLevel(unk_token="[UNK]"))  # type: ignore[call-arg]
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    core.train_from_iterator(
        (one[field] for one in made for field in ("context", "question")),
        trainers.WordLevelTrainer(special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False),
    )
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    torch.manual_seed(0)
    model = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    examples = [example.columns for one in train for example in TASK.encode(tokenizer, one, settings(64), Head.SPAN)]
    collate = TASK.collator(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    epochs, size, draw = 14, 16, random.Random(0)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, 1.2 * (1 - epoch / epochs))
        draw.shuffle(examples)
        for at in range(0, len(examples), size):
            model(**collate(examples[at : at + size])).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.3)
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    scores = TASK.measure(Measured(model, tokenizer, Head.SPAN, settings(64), lambda: None), held)
    assert scores["exact_match"] >= 70
    assert scores["f1"] >= 70
    assert scores["has_ans_exact"] >= 70
    assert scores["no_ans_exact"] >= 60
