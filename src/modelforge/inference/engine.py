"""From a prompt to an answer: with the model's batch where it has one, else with transformers' ``generate``.

A loop of our own over the model's forward pass gains nothing by itself (0.9 to 1.1 times ``generate``). What is faster
is a step in C++ (``step``) and rows that share a pass: with 135M weights in bfloat16 on two cores, 64 + 128 tokens,
measured in turns in one process, four times for one request and 2.7 times for eight (``benchmarks/decoding.py``).
Layers compiled one by one gain nothing: the checks before each and the calls between its kernels cost what the kernels
save.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from modelforge.architectures import COUNTS_FROM_PADDING
from modelforge.contracts.playground import GenerateReply, GenerateRequest
from modelforge.errors import InvalidRequest
from modelforge.inference import spans
from modelforge.inference.batch import Generation, Turn
from modelforge.inference.protocol import ModelTarget
from modelforge.inference.sampling import COLDEST, Sampler
from modelforge.inference.shelf import LoadedModel
from modelforge.inference.speech import UNFINISHED, Speech, words
from modelforge.tasks.base import Head
from modelforge.tasks.extractive_qa import ANSWER_LENGTH
from modelforge.tasks.rendering import Prompt, end_ids, prompt_ids
from modelforge.tasks.summarization import Summarization

DEFAULT_WINDOW = 512
"""Tokens that are read at once by a model that says nothing of how many it can."""


class Cancelled(Exception):
    """Nobody waits for this answer any more."""


class _Watch(StoppingCriteria):
    """Ends a generation between two tokens, by the clock or by request."""

    def __init__(self, timeout: float, cancelled: Callable[[], bool], hear: Callable[[list[int]], None] | None) -> None:
        """``hear`` gets all tokens so far after each."""
        self._deadline = time.monotonic() + timeout
        self._cancelled = cancelled
        self._hear = hear
        self.rang = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        """Flags of shape (batch,): which rows are done."""
        if self._cancelled():
            raise Cancelled
        if self._hear is not None:
            self._hear(input_ids[0].tolist())
        self.rang = time.monotonic() >= self._deadline
        return torch.full((input_ids.shape[0],), self.rang, dtype=torch.bool, device=input_ids.device)


def answer(
    loaded: LoadedModel,
    target: ModelTarget,
    request: GenerateRequest,
    timeout: float,
    cancelled: Callable[[], bool],
    say: Callable[[str], None] | None = None,
) -> GenerateReply:
    """Answer one request alone within ``timeout`` seconds, or with what there is by then.

    ``cancelled`` is asked after every token. ``say`` gets the text in pieces while it is written; one that is no causal
    model's comes in one. Raises InvalidRequest where the prompt does not fit into the model's context, or a context is
    missing or too much, and Cancelled.
    """
    started = time.monotonic()
    if loaded.head is Head.SPAN:
        found = _point(loaded, request, started)
        Speech(loaded.tokenizer, [], say).end(found.generated_text)
        return found
    if loaded.batch is not None:
        turn = begin(loaded, target, request, timeout, cancelled)
        speech = speech_of(loaded, turn.prompt, say)
        if not loaded.batch.admit(turn):
            raise ValueError("other requests are running")
        while turn not in loaded.batch.step():
            speech.hear(turn.ids)
        made = reply(loaded, turn)
    else:
        _refuse_context(request)
        prompt = _prompt(loaded, target, request)
        speech = speech_of(loaded, prompt, say)
        hear = speech.hear if say is not None and loaded.head is Head.CAUSAL else None
        generation = generate(loaded, prompt, request, timeout, cancelled, hear)
        made = _reply(loaded, prompt, generation, started)
    speech.end(made.generated_text)
    return made


def speech_of(loaded: LoadedModel, prompt: list[int], say: Callable[[str], None] | None) -> Speech:
    """What says the answer to a prompt in pieces."""
    return Speech(loaded.tokenizer, _context(loaded, prompt), say)


def begin(
    loaded: LoadedModel, target: ModelTarget, request: GenerateRequest, timeout: float, cancelled: Callable[[], bool]
) -> Turn:
    """What the model's batch is to be given for a request; ``answer`` says what it raises."""
    started = time.monotonic()
    _refuse_context(request)
    prompt = _prompt(loaded, target, request)
    room = _room(loaded, len(prompt))
    return Turn(
        prompt,
        Sampler(request.temperature, request.top_p, request.seed, loaded.model.device),
        _ends(loaded),
        request.max_new_tokens if room is None else min(request.max_new_tokens, room),
        started,
        started + timeout,
        cancelled,
    )


def reply(loaded: LoadedModel, turn: Turn) -> GenerateReply:
    """The answer of a request that is over. Raises Cancelled where it was given up."""
    if turn.generation is None:
        raise Cancelled
    return _reply(loaded, turn.prompt, turn.generation, turn.started)


def _reply(loaded: LoadedModel, prompt: list[int], made: Generation, started: float) -> GenerateReply:
    text = words(loaded.tokenizer, _context(loaded, prompt), made.ids)
    return GenerateReply(
        # A character whose bytes are not complete yet is left out.
        generated_text=text if made.finish_reason == "stop" else text.removesuffix(UNFINISHED),
        tokens_generated=len(made.ids),
        generation_time_ms=_milliseconds(started),
        finish_reason=made.finish_reason,
    )


def _refuse_context(request: GenerateRequest) -> None:
    if request.context is not None:
        raise InvalidRequest("context: it is for models that were trained for extractive-question-answering")


def _point(loaded: LoadedModel, request: GenerateRequest, started: float) -> GenerateReply:
    """The answer to a question about a context, where it stands there."""
    if request.context is None:
        raise InvalidRequest("context: this model finds answers in a text; give it one beside the question in prompt")
    config = loaded.spec.config if loaded.spec is not None else None
    limit = _positions(loaded) or DEFAULT_WINDOW
    with torch.inference_mode():
        found = spans.answer(
            loaded.model,
            loaded.tokenizer,
            request.prompt,
            request.context,
            max_seq_length=min(limit, config.max_seq_length or limit) if config else min(limit, DEFAULT_WINDOW),
            doc_stride=config.doc_stride if config else None,
            max_answer_length=(config.max_answer_length if config else None) or ANSWER_LENGTH,
            allow_no_answer=loaded.spec.dataset.unanswerable if loaded.spec is not None else False,
        )
    return GenerateReply(
        generated_text=found.text,
        tokens_generated=len(loaded.tokenizer(found.text, add_special_tokens=False)["input_ids"]),
        generation_time_ms=_milliseconds(started),
        answer_start=found.answer_start,
        score=found.score,
        finish_reason="stop",
    )


def _prompt(loaded: LoadedModel, target: ModelTarget, request: GenerateRequest) -> list[int]:
    """The tokens that the answer follows, as in training."""
    if loaded.head is Head.CAUSAL:
        said: Prompt = request.prompt
        if request.messages is not None:
            said = [
                *(message.model_dump() for message in request.messages),
                {"role": "user", "content": request.prompt},
            ]
        ids = prompt_ids(loaded.tokenizer, said, tuned=target.tuned)
        if not ids:
            raise InvalidRequest("prompt: the model's tokenizer makes nothing of it")
        return ids
    if request.messages is not None:
        raise InvalidRequest("messages: this model summarises texts, and holds no conversation; leave them out")
    prefix = loaded.spec.config.source_prefix if loaded.spec is not None else None
    limit = _positions(loaded) or DEFAULT_WINDOW
    return Summarization().prompt(loaded.tokenizer, loaded.model.config.to_dict(), request.prompt, limit, prefix or "")


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


@torch.inference_mode()
def generate(
    loaded: LoadedModel,
    prompt: list[int],
    request: GenerateRequest,
    timeout: float,
    cancelled: Callable[[], bool],
    hear: Callable[[list[int]], None] | None,
) -> Generation:
    """Tokens that follow ``prompt``: the likeliest ones at temperature 0, else drawn by temperature and top_p.

    With transformers' own ``generate``, for a model that has no batch.
    """
    causal = loaded.head is Head.CAUSAL
    ends = _ends(loaded)
    room = _room(loaded, len(prompt)) if causal else _positions(loaded)
    if request.temperature >= COLDEST:
        # The process generates one answer at a time, so the global generator belongs to this one.
        torch.manual_seed(request.seed) if request.seed is not None else torch.seed()
        sampling = {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p, "top_k": 0}
    else:
        sampling = {"do_sample": False}
    start = len(prompt) if causal else 1  # an encoder-decoder model gives back the token that its answers start with
    heard = None if hear is None else lambda ids: hear(_open(ids[start:], ends))
    watch = _Watch(timeout, cancelled, heard)
    model: Any = loaded.model
    input_ids = torch.tensor([prompt], device=model.device)
    with model.disable_adapter() if loaded.adapter_off else nullcontext():
        output = model.generate(
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            generation_config=GenerationConfig(
                max_new_tokens=request.max_new_tokens if room is None else min(request.max_new_tokens, room),
                eos_token_id=sorted(ends) or None,
                pad_token_id=loaded.tokenizer.pad_token_id,
                **sampling,
            ),
            stopping_criteria=StoppingCriteriaList([watch]),
        )
    new: list[int] = output[0, start:].tolist()
    kept = _open(new, ends)
    if len(kept) < len(new):
        return Generation(kept, "stop")
    return Generation(new, "timeout" if watch.rang else "length")


def _open(ids: list[int], ends: frozenset[int]) -> list[int]:
    """The tokens without the one that ends them."""
    return ids[:-1] if ids and ids[-1] in ends else ids


def _ends(loaded: LoadedModel) -> frozenset[int]:
    """The tokens that end an answer."""
    own = end_ids(loaded.tokenizer) if loaded.head is Head.CAUSAL else {loaded.tokenizer.eos_token_id} - {None}
    return loaded.end_ids | own


def _positions(loaded: LoadedModel) -> int | None:
    """Tokens that the model has places for; None where it has no limit."""
    text = loaded.model.config.get_text_config()
    limit: int | None = getattr(text, "max_position_embeddings", None)
    return limit - text.pad_token_id - 1 if limit is not None and text.model_type in COUNTS_FROM_PADDING else limit


def _room(loaded: LoadedModel, prompt_length: int) -> int | None:
    """How many tokens fit behind the prompt; None for a model without a limit. Raises InvalidRequest if none do."""
    context = _positions(loaded)
    if context is None:
        return None
    if prompt_length >= context:
        raise InvalidRequest(
            f"the prompt has {prompt_length} tokens in the model's format, and the model's context holds {context}, "
            "the answer included: shorten the prompt"
        )
    return context - prompt_length


def _context(loaded: LoadedModel, prompt: list[int]) -> list[int]:
    """What the answer stands behind when it is put into words: where the model goes on with a text, the space between
    the two belongs to the answer."""
    return prompt[-1:] if loaded.head is Head.CAUSAL and loaded.tokenizer.chat_template is None else []
