"""Tiny models of every family, made from configurations, with tokenizers of the kind that the family has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny import CHATML

WIDTH = 64
"""Of every layer: bitsandbytes' 4-bit layers want multiples of 64."""
CONTEXT = 256


@dataclass(frozen=True)
class Family:
    """One kind of model."""

    name: str
    tasks: frozenset[str]
    """What models of the family can be taught."""
    build: Callable[[int], Any]
    """Makes a model with random weights for a vocabulary of a size."""
    tokenizer: Callable[[list[str]], Any]
    """Makes a tokenizer from texts."""


def write(family: Family, folder: Path, texts: Iterable[str]) -> Path:
    """A model of the family and its tokenizer, in a folder as the hub has them."""
    import torch

    tokenizer = family.tokenizer(list(texts))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = family.build(len(tokenizer))
    if model.config.is_encoder_decoder:
        model.generation_config.decoder_start_token_id = model.config.decoder_start_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _bytes(texts: list[str], special: dict[str, str], template: tuple[str, str] | None, **more: Any) -> Any:
    """A byte-level BPE tokenizer; ``template`` for one text and for a pair."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = list(dict.fromkeys([*special.values(), *more.get("additional_special_tokens", [])]))
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=names,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    if template is not None:
        ids = [(name, tokenizer.token_to_id(name)) for name in names]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template[0], pair=template[1], special_tokens=ids
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, **more)


def _causal_tokenizer(texts: list[str]) -> Any:
    return _bytes(
        texts,
        {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "<|im_end|>"},
        None,
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHATML,
    )


def _t5_tokenizer(texts: list[str]) -> Any:
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _bytes(texts, special, ("$A </s>", "$A </s> $B </s>"))


def _bart_tokenizer(texts: list[str]) -> Any:
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "cls_token": "<s>"}
    return _bytes(texts, {**special, "sep_token": "</s>"}, ("<s> $A </s>", "<s> $A </s> </s> $B </s>"))


def _bert_tokenizer(texts: list[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(vocab_size=600, special_tokens=list(special.values()), show_progress=False),
    )
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, model_input_names=names)


def _decoder(kind: str) -> Callable[[int], Any]:
    def build(vocabulary: int) -> Any:
        from transformers import CONFIG_MAPPING, AutoModelForCausalLM

        config = CONFIG_MAPPING[kind](
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            tie_word_embeddings=True,
        )
        return AutoModelForCausalLM.from_config(config)

    return build


def _t5(vocabulary: int) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary,
            d_model=WIDTH,
            d_kv=16,
            d_ff=2 * WIDTH,
            num_layers=2,
            num_heads=4,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            task_specific_params={"summarization": {"prefix": "summarize: "}},
        )
    )


def _bart(vocabulary: int) -> Any:
    from transformers import BartConfig, BartForConditionalGeneration

    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=vocabulary,
            d_model=WIDTH,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=2 * WIDTH,
            decoder_ffn_dim=2 * WIDTH,
            max_position_embeddings=CONTEXT,
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=2,
            forced_eos_token_id=None,
        )
    )


def _encoder(kind: str, padding: int) -> Callable[[int], Any]:
    def build(vocabulary: int) -> Any:
        from transformers import CONFIG_MAPPING, AutoModelForMaskedLM

        config = CONFIG_MAPPING[kind](
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            # RoBERTa's positions start behind the padding token's id.
            max_position_embeddings=CONTEXT + (padding + 1 if kind == "roberta" else 0),
            pad_token_id=padding,
            type_vocab_size=2 if kind == "bert" else 1,
        )
        return AutoModelForMaskedLM.from_config(config)

    return build


GENERATE, SUM_UP, POINT = "text-generation", "summarization", "extractive-question-answering"

FAMILIES = (
    Family("llama", frozenset({GENERATE, SUM_UP, POINT}), _decoder("llama"), _causal_tokenizer),
    Family("qwen2", frozenset({GENERATE, SUM_UP, POINT}), _decoder("qwen2"), _causal_tokenizer),
    Family("t5", frozenset({SUM_UP, POINT}), _t5, _t5_tokenizer),
    Family("bart", frozenset({SUM_UP, POINT}), _bart, _bart_tokenizer),
    Family("bert", frozenset({POINT}), _encoder("bert", 0), _bert_tokenizer),
    Family("roberta", frozenset({POINT}), _encoder("roberta", 1), _bart_tokenizer),
)
