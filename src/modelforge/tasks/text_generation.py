"""Answering a text with a text: ``input`` → ``output``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from modelforge.errors import InvalidRequest
from modelforge.tasks.base import IGNORED, Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN_FORMAT = "### Instruction:\n{input}\n\n### Response:\n"
"""For models without a chat template: Alpaca's format without its preamble (github.com/tatsu-lab/stanford_alpaca)."""

MARK = "@answer@"
"""Stands for an answer, to see what a chat template writes after one. No template writes it itself."""


class TextGeneration:
    """Causal models, trained on the answer alone."""

    name: ClassVar[str] = "text-generation"
    shape: ClassVar[str] = "input_output"

    def encode(self, tokenizer: PreTrainedTokenizerBase, row: dict[str, str], max_seq_length: int) -> Example | None:
        """The prompt, the answer and the end token; too long a row loses the end of its answer."""
        prompt, whole = _render(tokenizer, row["input"], row["output"])
        if len(prompt) >= min(len(whole), max_seq_length):
            return None
        ids = whole[:max_seq_length]
        return Example(ids, [IGNORED] * len(prompt) + ids[len(prompt) :], cut=len(whole) - len(ids))

    def prompt(self, tokenizer: PreTrainedTokenizerBase, text: str, *, tuned: bool) -> list[int]:
        """A tuned model is prompted as it was trained; a base model without a chat template just goes on with text."""
        if tokenizer.chat_template is None:
            return _ids(tokenizer, PLAIN_FORMAT.format(input=text) if tuned else text, special=True)
        return _ids(tokenizer, _chat(tokenizer, text, None), special=False)

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> set[int]:
        """The tokens that end an answer: the tokenizer's own, and the one that rows end with in training."""
        _, end = _turn_end(tokenizer)
        return {token for token in (end, tokenizer.eos_token_id) if token is not None}

    def metrics(self, eval_loss: float) -> dict[str, float]:
        """``perplexity``, the exponential of the loss; capped at e^700, which a float still holds."""
        return {"perplexity": math.exp(min(eval_loss, 700.0))}


def _render(tokenizer: PreTrainedTokenizerBase, question: str, answer: str) -> tuple[list[int], list[int]]:
    """Token ids of the prompt alone, and of prompt, answer and end token; the second always begins with the first."""
    ending, end = _turn_end(tokenizer)
    if end is None:
        raise InvalidRequest(
            "the model's tokenizer has no end token, so the model could not learn where an answer ends. "
            "Give it an eos_token in its tokenizer_config.json, or use another model."
        )
    if tokenizer.chat_template is None:
        asked, special = PLAIN_FORMAT.format(input=question), True
        told = asked + answer
    else:
        asked, special = _chat(tokenizer, question, None), False
        told = _chat(tokenizer, question, answer)
        # Some templates write a finished turn otherwise than the start of one (thinking marks, say). What generation
        # starts from is what must be trained on.
        told = told.removesuffix(ending) if told.startswith(asked) else asked + answer
    prompt, whole = _ids(tokenizer, asked, special=special), _ids(tokenizer, told, special=special)
    if whole[: len(prompt)] != prompt:
        # A token straddles the border. Generation starts after the prompt's tokens, so training does, too.
        whole = prompt + _ids(tokenizer, told[len(asked) :], special=False)
    return prompt, [*whole, end]


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool) -> list[int]:
    """The text's tokens, with the tokenizer's own start token if ``special``, but never with its end token, which
    would end a prompt."""
    ids: list[int] = tokenizer(text, add_special_tokens=special)["input_ids"]
    return ids[:-1] if special and len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


def _chat(tokenizer: PreTrainedTokenizerBase, question: str, answer: str | None) -> str:
    """The template's text of a question, open for its answer, or of both."""
    messages = [{"role": "user", "content": question}]
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    # Templates that know thinking are told to leave it out: rows hold no thoughts. Others ignore the argument.
    import jinja2  # noqa: PLC0415 - of the training stack: templates are run by it

    try:
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=answer is None, enable_thinking=False
        )
    except jinja2.TemplateError as error:
        raise InvalidRequest(f"the model's chat template cannot be used: {error}") from error
    return str(text)


def _turn_end(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int | None]:
    """What the template writes after an answer, and the token that ends the answer; None where there is no such token.

    The first special token after the answer ends it, and what comes later (a line break, a second end) is not learnt.
    Where a template ends a turn with plain words, or there is no template, it is the tokenizer's end token.
    """
    if tokenizer.chat_template is None:
        return "", tokenizer.eos_token_id
    told = _chat(tokenizer, "a", MARK)
    place = told.rfind(MARK)
    if place < 0:
        raise InvalidRequest(
            "the model's chat template changes the text of an answer, so it cannot be trained with it. Use another "
            "model, or remove the template from its tokenizer_config.json."
        )
    ending = told[place + len(MARK) :]
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    special.update(tokenizer.all_special_ids)
    ids = _ids(tokenizer, ending, special=False)
    return ending, next((token for token in ids if token in special), tokenizer.eos_token_id)
