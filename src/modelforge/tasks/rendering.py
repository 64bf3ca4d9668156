"""How a conversation is written down for a model: one way for training, evaluation and the playground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from modelforge.errors import InvalidRequest
from modelforge.tasks.base import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN_FORMAT = "### Instruction:\n{input}\n\n### Response:\n"
"""For models without a chat template: Alpaca's format without its preamble (github.com/tatsu-lab/stanford_alpaca)."""
PLAIN_TURN = "{answer}\n\n"
"""What stands between an answer and the next question there."""

MARK = "@answer@"
"""Stands for an answer, to see what a chat template writes after one. No template writes it itself."""

_TURN_ENDS: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[object, tuple[str, int | None]]] = WeakKeyDictionary()
"""What ``_turn_end`` found, and what it depends on, for each tokenizer."""

_TOOLS_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, tuple[object, bool]] = WeakKeyDictionary()
"""The template of each tokenizer that was asked whether it knows tools, and whether it does."""

Message = dict[str, Any]
"""``role``, ``content``, and what belongs to calls of tools (``datasets.calls``)."""
Prompt = str | list[Message]
"""A question, or a conversation up to where the model is to speak."""


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, *, tuned: bool = True) -> list[int]:
    """The tokens that stand before the answer. A tuned model is prompted as it was trained; a base model without a chat
    template just goes on with the text."""
    if tokenizer.chat_template is None and not tuned:
        return text_ids(tokenizer, prompt if isinstance(prompt, str) else _plain(prompt))
    text, special = _asked(tokenizer, prompt)
    return _ids(tokenizer, text, special=special)


def text_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a text that nobody asked for, behind the tokenizer's own start token."""
    return _ids(tokenizer, text, special=True)


def end_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end an answer: the tokenizer's own, and the one that rows end with in training."""
    _, end = _turn_end(tokenizer)
    return {token for token in (end, tokenizer.eos_token_id) if token is not None}


def end_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that rows end with in training. Raises InvalidRequest where the tokenizer has none."""
    return _require_end(_turn_end(tokenizer)[1])


def render(
    tokenizer: PreTrainedTokenizerBase, prompt: Prompt, answer: str | Message, tools: list[Any] | None = None
) -> tuple[list[int], list[int]]:
    """Token ids of the prompt alone, and of prompt, answer and end token; the second always begins with the first.
    An answer that calls ``tools`` is a message."""
    ending, end = _turn_end(tokenizer)
    end = _require_end(end)
    asked, special = _asked(tokenizer, prompt, tools)
    if tokenizer.chat_template is None:
        told = asked + str(answer)
    else:
        told = _chat(tokenizer, _messages(prompt), answer, tools)
        # Some templates write a finished turn otherwise than the start of one (thinking marks, say). What generation
        # starts from is what must be trained on.
        if told.startswith(asked):
            told = told.removesuffix(ending)
        elif isinstance(answer, str):
            told = asked + answer
        else:
            told = asked + _turn(tokenizer, prompt, told, tools).removesuffix(ending)
    ids, whole = _all_ids(tokenizer, [asked, told], special=special)
    if whole[: len(ids)] != ids:
        # A token straddles the border. Generation starts after the prompt's tokens, so training does, too.
        whole = ids + _ids(tokenizer, told[len(asked) :], special=False)
    return ids, [*whole, end]


def render_chat(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], tools: list[Any] | None = None
) -> list[tuple[list[int], list[int]]]:
    """Token ids and labels of a conversation, every answer of the assistant learnt, calls of tools among them.

    One pair, where what is written goes on from turn to turn; templates that rewrite earlier turns (that drop their
    thoughts, say) give one pair for each place where that happens, so that each answer follows what it will follow in
    use. Raises InvalidRequest where there are tools and the template knows none.
    """
    if tools or any("tool_calls" in message or message["role"] == "tool" for message in messages):
        require_tools(tokenizer)
    written: list[tuple[list[int], list[int]]] = []
    ids: list[int] = []
    labels: list[int] = []
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        answer = message if "tool_calls" in message else message["content"]
        prompt, whole = render(tokenizer, messages[:at], answer, tools)
        if prompt[: len(ids)] != ids:
            written.append((ids, labels))
            ids, labels = [], []
        labels = [*labels, *[IGNORED] * (len(prompt) - len(ids)), *whole[len(prompt) :]]
        ids = whole
    return [*written, (ids, labels)]


def _require_end(end: int | None) -> int:
    if end is None:
        raise InvalidRequest(
            "the model's tokenizer has no end token, so the model could not learn where an answer ends. "
            "Give it an eos_token in its tokenizer_config.json, or use another model."
        )
    return end


def _messages(prompt: Prompt) -> list[Message]:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _asked(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, tools: list[Any] | None = None) -> tuple[str, bool]:
    """The text before the answer, and whether the tokenizer's own start token belongs before it."""
    if tokenizer.chat_template is None:
        return _plain(_messages(prompt)), True
    return _chat(tokenizer, _messages(prompt), None, tools), False


def _plain(messages: list[Message]) -> str:
    """The format without a template; a system message stands before the first question."""
    text, system = "", ""
    for message in messages:
        if message["role"] == "assistant":
            text += PLAIN_TURN.format(answer=message["content"])
        elif message["role"] == "user":
            text += PLAIN_FORMAT.format(input=system + message["content"])
            system = ""
        else:
            system = message["content"] + "\n\n"
    return text


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool) -> list[int]:
    """The text's tokens, with the tokenizer's own start token if ``special``, but never with its end token, which
    would end a prompt."""
    return _all_ids(tokenizer, [text], special=special)[0]


def _all_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str], *, special: bool) -> list[list[int]]:
    """The same of several texts, which take hardly longer together than one: the call costs as much as the tokens."""
    all_ids: list[list[int]] = tokenizer(texts, add_special_tokens=special)["input_ids"]
    if not special:
        return all_ids
    return [ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids for ids in all_ids]


def _chat(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[Message],
    answer: str | Message | None,
    tools: list[Any] | None = None,
) -> str:
    """The template's text of a conversation, open for its next answer, or with that."""
    if answer is not None:
        messages = [*messages, {"role": "assistant", "content": answer} if isinstance(answer, str) else answer]
    # Templates that know thinking are told to leave it out: rows hold no thoughts. Others ignore the argument.
    import jinja2  # noqa: PLC0415 - of the training stack: templates are run by it

    try:
        text = tokenizer.apply_chat_template(
            messages, tools=tools or None, tokenize=False, add_generation_prompt=answer is None, enable_thinking=False
        )
    except jinja2.TemplateError as error:
        raise InvalidRequest(f"the model's chat template cannot be used: {error}") from error
    return str(text)


def _turn(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, told: str, tools: list[Any] | None) -> str:
    """What the template writes of the last turn in ``told`` where another one would say something. Raises
    InvalidRequest where that cannot be told apart from what it writes before."""
    said = _chat(tokenizer, _messages(prompt), MARK, tools)
    before = said[: said.rfind(MARK)]
    if not told.startswith(before):
        raise InvalidRequest(
            "the model's chat template writes a call of a tool in another place than an answer, so it cannot be told "
            "what the model is to write. Use another model, or rows without calls of tools."
        )
    return told.removeprefix(before)


def require_tools(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises InvalidRequest for a tokenizer whose template leaves tools out, or that has none."""
    template = tokenizer.chat_template
    known = _TOOLS_KNOWN.get(tokenizer)
    if known is None or known[0] != template:
        known = (template, template is not None and _knows_tools(tokenizer))
        _TOOLS_KNOWN[tokenizer] = known
    if not known[1]:
        why = "there is no chat template to write them by" if template is None else "its chat template leaves them out"
        raise InvalidRequest(
            f"the model cannot learn rows with tools or tool_calls: {why}. Use a model that was made for tools, or "
            "rows without them."
        )


_CALL: Message = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        # Mistral's templates refuse an id that has not nine letters.
        {
            "id": "callcall1",
            "type": "function",
            "function": {"name": "toolname", "arguments": {"argument": "toolsvalue"}},
        }
    ],
}
_ANSWER: Message = {"role": "tool", "tool_call_id": "callcall1", "name": "toolname", "content": "toolsanswer"}
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "toolname",
        "description": "toolsdescription",
        "parameters": {"type": "object", "properties": {"word": {"type": "string", "description": "a word"}}},
    },
}


def _knows_tools(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether all that a conversation has to do with tools shows up in the template's text."""
    try:
        offered = _chat(tokenizer, _messages("a"), None, [_TOOL])
        called = _chat(tokenizer, [*_messages("a"), _CALL, _ANSWER], None, [_TOOL])
    except InvalidRequest:
        return False
    return "toolname" in offered and "toolsvalue" in called and "toolsanswer" in called


def _turn_end(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int | None]:
    """What the template writes after an answer, and the token that ends the answer; None where there is no such token.

    The first special token after the answer ends it, and what comes later (a line break, a second end) is not learnt.
    Where a template ends a turn with plain words, or there is no template, it is the tokenizer's end token.
    """
    if tokenizer.chat_template is None:
        return "", tokenizer.eos_token_id
    # A third of the time that a row takes, and the same for every row (measured).
    facts = (tokenizer.chat_template, tokenizer.eos_token_id, len(tokenizer), tuple(tokenizer.all_special_tokens))
    known = _TURN_ENDS.get(tokenizer)
    if known is None or known[0] != facts:
        known = (facts, _find_turn_end(tokenizer))
        _TURN_ENDS[tokenizer] = known
    return known[1]


def _find_turn_end(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int | None]:
    told = _chat(tokenizer, _messages("a"), MARK)
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
