"""Summing up a text, by encoder-decoder models and causal ones alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from modelforge.architectures import is_encoder_decoder, require_writer
from modelforge.contracts.training import TrainingConfig
from modelforge.tasks.base import IGNORED, Example, Head, Measured, Row
from modelforge.tasks.generation import generate_batch
from modelforge.tasks.rendering import end_ids, prompt_ids, render
from modelforge.tasks.rouge import rouge, word_splitter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH = 8
"""Texts that are summed up together at least: generating takes far less memory than training."""


class Summarization:
    """``input`` is the text, ``output`` its summary.

    A causal model is asked with the text as the user's whole question. Nothing is added to it, so that the tuned model
    sums up what it is given, in training, evaluation and playground alike; who wants an instruction there writes
    it into the data. An encoder-decoder model reads ``source_prefix`` and the text.
    """

    name: ClassVar[str] = "summarization"
    about: ClassVar[str] = (
        "Writes a short text that says what a long one says; use it for notes, digests and headlines."
    )
    shapes: ClassVar[Sequence[str]] = ("input_output",)
    options: ClassVar[frozenset[str]] = frozenset({"max_target_length", "rouge_language", "source_prefix"})
    encoded_by: ClassVar[frozenset[str]] = frozenset({"max_target_length", "source_prefix"})

    def head(self, config: Mapping[str, Any], name: str) -> Head:
        """By the model's kind. Raises InvalidRequest for encoders, which write nothing."""
        if is_encoder_decoder(config):
            return Head.SEQ2SEQ
        require_writer(config, name, self.name)
        return Head.CAUSAL

    def defaults(self, config: TrainingConfig) -> dict[str, Any]:
        """English, unless the request names a language."""
        return {"rouge_language": "english"} if config.rouge_language is None else {}

    def by_model(self, config: TrainingConfig, model: Mapping[str, Any]) -> dict[str, Any]:
        """``source_prefix``."""
        return {"source_prefix": self.source_prefix(model)} if config.source_prefix is None else {}

    def by_data(
        self, config: TrainingConfig, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]
    ) -> dict[str, Any]:
        return {}

    def source_prefix(self, config: Mapping[str, Any]) -> str:
        """What a model was taught to find before a text to sum up, by its ``config.json``: ``summarize: `` for T5."""
        params = config.get("task_specific_params")
        summarization = params.get("summarization") if isinstance(params, dict) else None
        prefix = summarization.get("prefix") if isinstance(summarization, dict) else None
        return prefix if isinstance(prefix, str) and is_encoder_decoder(config) else ""

    def encode(self, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, head: Head) -> list[Example]:
        """One example; ``cut`` counts tokens of the text and of the summary that did not fit.

        The text loses its end where both don't fit. The summary loses its own, and with that its end token, only where
        it is longer than ``max_target_length``. A causal model gets no example of a summary that leaves no room
        for any of its text: it would learn to make one up.
        """
        assert config.max_seq_length is not None
        if head is Head.SEQ2SEQ:
            return self._encode_pair(tokenizer, row, config, config.max_seq_length)
        summary, longest = row["output"], config.max_target_length

        def written(text: str) -> tuple[list[int], list[int]]:
            prompt, whole = render(tokenizer, text, summary)
            end = len(whole) if longest is None else len(prompt) + longest
            return prompt, whole[:end]

        text, cut = _beginning(tokenizer, row["input"], lambda text: len(written(text)[1]), config.max_seq_length)
        if not text:
            return []
        prompt, kept = written(text)
        if longest is not None:
            cut += len(render(tokenizer, text, summary)[1]) - len(kept)
        return [Example({"input_ids": kept, "labels": [IGNORED] * len(prompt) + kept[len(prompt) :]}, cut=cut)]

    def _encode_pair(
        self, tokenizer: PreTrainedTokenizerBase, row: Row, config: TrainingConfig, limit: int
    ) -> list[Example]:
        source, cut = _source_ids(tokenizer, (config.source_prefix or "") + row["input"], limit)
        target = _target_ids(tokenizer, row["output"])
        kept = target[: config.max_target_length or limit]
        return [Example({"input_ids": source, "labels": kept}, cut=cut + len(target) - len(kept))]

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """For encoder-decoder models: input and labels padded, each to their own longest."""
        from transformers import DataCollatorForSeq2Seq  # noqa: PLC0415 - of the training stack

        collator: Callable[[list[dict[str, Any]]], dict[str, Any]] = DataCollatorForSeq2Seq(
            tokenizer, label_pad_token_id=IGNORED
        )
        return collator

    def prompt(
        self,
        tokenizer: PreTrainedTokenizerBase,
        model_config: Mapping[str, Any],
        text: str,
        max_seq_length: int,
        prefix: str = "",
    ) -> list[int]:
        """What a tuned model is given to sum up ``text``: at most ``max_seq_length`` tokens, the end of the text cut
        off if need be. Of a causal model's length the caller keeps the summary's part back. ``prefix`` is the run's
        ``source_prefix``; ``model_config`` the ``config.json`` of the model."""
        head = Head.SEQ2SEQ if is_encoder_decoder(model_config) else Head.CAUSAL
        return self._prompt(tokenizer, head, text, max_seq_length, prefix)

    def _prompt(self, tokenizer: PreTrainedTokenizerBase, head: Head, text: str, limit: int, prefix: str) -> list[int]:
        if head is Head.SEQ2SEQ:
            return _source_ids(tokenizer, prefix + text, limit)[0]
        return prompt_ids(tokenizer, _beginning(tokenizer, text, lambda t: len(prompt_ids(tokenizer, t)), limit)[0])

    def measure(self, measured: Measured, rows: Sequence[Row]) -> dict[str, float]:
        """Summaries of the rows' texts against those of the rows: ``rouge1``, ``rouge2`` and ``rougeL`` (F1, 0 to 1),
        ``exact_match`` (per cent that are the same but for white space, as in question answering), and
        ``summary_length``, the mean number of words, as ROUGE counts them, in what the model wrote."""
        if not rows:
            return {}
        language = measured.config.rouge_language or "english"
        written, wanted = self._written(measured, rows), [row["output"] for row in rows]
        split = word_splitter("none")
        same = sum(one.split() == other.split() for one, other in zip(written, wanted, strict=True))
        return {
            **rouge(written, wanted, language),
            "exact_match": 100 * same / len(rows),
            "summary_length": sum(len(split(text)) for text in written) / len(rows),
        }

    def _written(self, measured: Measured, rows: Sequence[Row]) -> list[str]:
        """The model's summaries, in the order of the rows."""
        config, tokenizer, head = measured.config, measured.tokenizer, measured.head
        assert config.max_seq_length is not None
        longest = config.max_target_length or max(len(_target_ids(tokenizer, row["output"])) for row in rows)
        limit = config.max_seq_length
        longest = min(longest, limit)
        if head is Head.CAUSAL:
            # Text and summary share the length.
            longest = min(longest, max(1, limit // 2))
            limit -= longest
        ends = end_ids(tokenizer) if head is Head.CAUSAL else {tokenizer.eos_token_id} - {None}
        prompts = [self._prompt(tokenizer, head, row["input"], limit, config.source_prefix or "") for row in rows]
        # Those of like length together, so that less is padding.
        order = sorted(range(len(rows)), key=lambda at: len(prompts[at]))
        size = max(BATCH, config.per_device_eval_batch_size or 1)
        written = [""] * len(rows)
        for start in range(0, len(order), size):
            measured.check_stop()
            places = order[start : start + size]
            batch = [prompts[at] for at in places]
            for at, ids in zip(
                places, generate_batch(measured.model, tokenizer, batch, head, longest, ends), strict=True
            ):
                written[at] = str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        return written


def _source_ids(tokenizer: PreTrainedTokenizerBase, text: str, limit: int) -> tuple[list[int], int]:
    """What an encoder reads, the tokenizer's own end token included, and the number of tokens cut off."""
    ids: list[int] = tokenizer(text, verbose=False)["input_ids"]
    if len(ids) <= limit:
        return ids, 0
    kept: list[int] = tokenizer(text, truncation=True, max_length=limit)["input_ids"]
    return kept, len(ids) - len(kept)


def _target_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """What a decoder writes, with the end token."""
    ids: list[int] = tokenizer(text_target=text, verbose=False)["input_ids"]
    if tokenizer.eos_token_id is not None and ids[-1:] != [tokenizer.eos_token_id]:
        ids = [*ids, tokenizer.eos_token_id]
    return ids


def _beginning(
    tokenizer: PreTrainedTokenizerBase, text: str, length: Callable[[str], int], limit: int
) -> tuple[str, int]:
    """As much of the beginning of ``text`` as keeps its ``length`` in tokens within ``limit``, and the number of the
    text's own tokens that are cut off. Empty where there is no room."""
    over = length(text) - limit
    if over <= 0:
        return text, 0
    fast = tokenizer.is_fast
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=fast, verbose=False)
    ids: list[int] = encoded["input_ids"]
    keep = len(ids) - over
    while keep > 0:
        # By its characters where they are known: what is decoded is not the same for every tokenizer.
        part = text[: encoded["offset_mapping"][keep - 1][1]] if fast else str(tokenizer.decode(ids[:keep]))
        part = part.rstrip().removesuffix("\ufffd")
        over = length(part) - limit
        if over <= 0:
            return part, len(ids) - keep
        keep -= over
    return "", len(ids)
