"""Small models of other families, with random weights and a vocabulary of the data's own words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_WORDS = 4000
SEED = 1


def make_t5(folder: Path, texts: Iterable[str]) -> Path:
    """Write an encoder-decoder of about a million weights to ``folder``, and return that."""
    from transformers import T5Config, T5ForConditionalGeneration, set_seed  # noqa: PLC0415 - of the training stack

    set_seed(SEED)
    tokenizer = _tokenizer(texts, pair="$A </s> $B </s>", single="$A </s>")
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=128,
            d_kv=32,
            d_ff=256,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    # T5 begins an answer with its padding token.
    model.config.decoder_start_token_id = tokenizer.pad_token_id
    if model.generation_config is not None:
        model.generation_config.decoder_start_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_bert(folder: Path, texts: Iterable[str]) -> Path:
    """Write an encoder of about a million weights to ``folder``, and return that."""
    from transformers import BertConfig, BertForQuestionAnswering, set_seed  # noqa: PLC0415 - of the training stack

    set_seed(SEED)
    tokenizer = _tokenizer(texts, pair="[CLS] $A [SEP] $B:1 [SEP]:1", single="[CLS] $A [SEP]")
    model = BertForQuestionAnswering(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=256,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(texts: Iterable[str], *, pair: str, single: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE over the data's words, so that what it decodes is what was written."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "</s>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=_WORDS,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    marks = [(mark, special.index(mark)) for mark in special if mark in pair]
    # Places in the text without the blank before a word: an answer begins with its first letter.
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(single=single, pair=pair, special_tokens=marks),
        ]
    )
    ends = {"eos_token": "</s>"} if "</s>" in pair else {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=256, **ends
    )
    if ":1" in pair:
        made.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return made
