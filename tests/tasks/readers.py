"""Tokenizers of the families that answer from a text, small enough for a test, and text that is hard on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.tiny import make_tiny_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PLACES = (
    ("Tom lives in Paris, near the river.", "Paris"),
    ("Zoë wohnt seit Jahren in Kraków.", "Kraków"),
    # The same letters, with the accents apart.
    ("The Cafe\u0301 Noe\u0308l is in Besanc\u0327on now.", "Besanc\u0327on"),
    ("The name of the bar: Cafe\u0301 — open late.", "Cafe\u0301"),
    ("Her sign is 🦊 today.", "🦊"),
    ("The crew is 👩‍🚀 and more.", "👩‍🚀"),
    ("他 住在 北京 很久 了。", "北京"),
    ("彼女は 大阪 に住んでいます。", "大阪"),
    ("वह दिल्ली में रहती है।", "दिल्ली"),
    ("هو يعيش في القاهرة الآن.", "القاهرة"),
    ("그는 서울 에 산다.", "서울"),
    ("İpek lives in İzmir today.", "İzmir"),
    ("The ﬁrst ﬂat, number ½ , is his.", "½"),
    ("Two places:\n\tNew  York\nand more.", "New  York"),
)
"""Contexts, and in each an answer that is whole words."""
FILLER = "The day was long and the road was dry, so they went home. "
QUESTION = "Where does he live?"

KINDS = ("bert", "roberta", "deberta", "t5", "llama", "qwen")


def make_reader(kind: str) -> PreTrainedTokenizerFast:
    """A tokenizer that treats text, pairs and offsets as the family's does."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    corpus = [*(text for text, _ in PLACES), FILLER, QUESTION]
    if kind in ("llama", "qwen"):
        return make_tiny_tokenizer(corpus, add_bos=kind == "llama")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    names: dict[str, Any] = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    if kind != "t5":
        names |= {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    else:
        names |= {"eos_token": "[SEP]"}
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    if kind == "bert":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # type: ignore[call-arg]
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.train_from_iterator(
            corpus, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
        )
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
        )
        names["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    elif kind == "roberta":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.train_from_iterator(
            corpus,
            trainers.BpeTrainer(
                vocab_size=400,
                special_tokens=special,
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            ),
        )
        tokenizer.post_processor = processors.RobertaProcessing(
            ("[SEP]", 3), ("[CLS]", 2), trim_offsets=True, add_prefix_space=False
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        tokenizer.train_from_iterator(
            corpus,
            trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="[UNK]", show_progress=False),
        )
        single, pair = (
            ("$A [SEP]", "$A [SEP] $B [SEP]") if kind == "t5" else ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
        )
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=marks)
        if kind == "deberta":
            names["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
