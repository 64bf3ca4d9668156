"""Answers drawn from a model that is being trained, on a CPU: its prompts by transformers' layers, each once, and the
tokens of the answers by the step of the playground."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from modelforge.inference import decoder
from modelforge.inference.decoder import Decoder

NOTHING: dict[str, tuple[Any, ...]] = {
    "top_k": (None, 0),
    "top_p": (None, 1.0),
    "min_p": (None,),
    "repetition_penalty": (None, 1.0),
    "num_beams": (None, 1),
}
"""Settings of ``generate`` that this does not know, as they change nothing."""


class Drawing:
    """What stands in the place of a model's ``generate``."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._decoder = Decoder(model, adapters=True)

    def fault(self) -> str | None:
        """Why it is of no use, tried with two sequences; None where it draws as the model does."""
        training = self._model.training
        self._model.eval()
        try:
            return decoder.trial(self._decoder) or self._decoder.detour
        finally:
            self._model.train(training)

    @contextmanager
    def instead(self) -> Iterator[None]:
        """Within, the model's ``generate`` draws by this."""
        self._decoder.renew()
        self._model.generate = self._generate
        try:
            yield
        finally:
            del self._model.generate
            self._decoder.slots.resize(0, 0)

    def _generate(
        self, input_ids: Tensor, attention_mask: Tensor, generation_config: GenerationConfig, **_: Any
    ) -> Tensor:
        """As ``generate``: prompts of shape (rows, tokens), padded before; the answers behind them, padded after."""
        settings: Any = generation_config
        for name, values in NOTHING.items():
            assert getattr(settings, name, None) in values, f"{name} is not known here"
        prompts = [ids[mask].tolist() for ids, mask in zip(input_ids, attention_mask.bool(), strict=True)]
        ends = settings.eos_token_id
        ends = set(ends if isinstance(ends, list) else [ends])
        training = self._model.training
        self._model.eval()  # the step drops nothing, so the prompts are read so, too
        try:
            with torch.inference_mode():
                answers = self._draw(prompts, settings.max_new_tokens, ends, settings.temperature or 1.0)
        finally:
            self._model.train(training)
        longest = max(map(len, answers))
        padded = [answer + [settings.pad_token_id] * (longest - len(answer)) for answer in answers]
        return torch.cat([input_ids, torch.tensor(padded)], 1)

    def _draw(self, prompts: list[list[int]], limit: int, ends: set[int], temperature: float) -> list[list[int]]:
        """Answers to the prompts, in their order; an end token is the last of its answer."""
        slots = self._decoder.slots
        slots.resize(len(prompts), max(map(len, prompts)) + limit)
        rows = self._read(prompts)
        answers: list[list[int]] = [[] for _ in prompts]
        tokens, lengths = [prompts[row][-1] for row in rows], [len(prompts[row]) - 1 for row in rows]
        while rows:
            drawn = sample(self._decoder.step(tokens, lengths), temperature)
            for row, token in zip(rows, drawn, strict=True):
                answers[row].append(token)
            tokens, lengths = drawn, [length + 1 for length in lengths]
            for place in reversed(range(len(rows))):
                answer = answers[rows[place]]
                if answer[-1] not in ends and len(answer) < limit:
                    continue
                # The last row takes the place of one that has come to its end.
                if place < len(rows) - 1:
                    slots.copy(len(rows) - 1, place, lengths[-1])
                for each in (rows, tokens, lengths):
                    each[place] = each[-1]
                    each.pop()
        return answers

    def _read(self, prompts: list[list[int]]) -> list[int]:
        """Take in all of the prompts but their last tokens; which of them each row of the cache holds."""
        first: dict[tuple[int, ...], int] = {}
        for at, prompt in enumerate(prompts):
            first.setdefault(tuple(prompt), at)
        once = list(first.values())
        rows = once + [at for at in range(len(prompts)) if at not in set(once)]
        pieces = [prompts[at][:-1] for at in once]
        if any(pieces):
            self._decoder.fill(0, [0] * len(pieces), [piece or [0] for piece in pieces])
        for row in range(len(once), len(rows)):
            prompt = prompts[rows[row]]
            self._decoder.slots.copy(once.index(first[tuple(prompt)]), row, len(prompt) - 1)
        return rows


def sample(logits: Tensor, temperature: float) -> list[int]:
    """A token for each row of logits (rows, vocabulary), by torch's generator: a resumed run draws what an undisturbed
    one does. Raises RuntimeError, as ``generate`` does, where they are no numbers."""
    shares = torch.softmax(logits / temperature, -1).cumsum(-1)
    if bool(shares[:, -1].isnan().any()):
        raise RuntimeError("the model's logits are no numbers")
    places = torch.rand(len(logits), 1) * shares[:, -1:]
    found: list[int] = torch.searchsorted(shares, places, right=True)[:, 0].clamp_(max=logits.shape[1] - 1).tolist()
    return found


def drawing_of(model: Any) -> tuple[Drawing | None, str | None]:
    """One for a model outside of the engine's work; else why its answers are drawn by ``generate``, as the end of a
    sentence."""
    fault = decoder.refusal(model)
    if fault is not None:
        return None, fault
    drawing = Drawing(model)
    fault = drawing.fault()
    return (drawing, None) if fault is None else (None, fault)
