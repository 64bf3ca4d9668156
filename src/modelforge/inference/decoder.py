"""A causal model's forward pass over rows of a cache: prompts piece by piece, then one token for every row at once."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from modelforge.inference import step
from modelforge.inference.slots import Slots

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LAYERS = {"full_attention", "sliding_attention"}
"""Kinds of layers whose past is keys and values, and whose view of it is a mask."""
BY_LENGTH = {"dynamic", "longrope"}
"""Ways to count positions that depend on the longest sequence in the batch: one request would change another's."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 6e-2, torch.float16: 1e-2}
"""How far the logits of a trial may be from a plain pass's, as a share of the largest: the rounding of the type."""
TRIAL = (3, 6)
"""Tokens of the two sequences that a model is tried with."""


class Decoder:
    """One model and the cache of its sequences."""

    def __init__(self, model: PreTrainedModel, *, adapters: bool = False) -> None:
        """``model`` is in evaluation mode; ``refusal`` has said that it is of the right kind. With ``adapters``,
        step.cpp takes one that lies beside the weights; ``renew`` tells when that has changed."""
        self._model: Any = bare(model)
        self._config = self._model.config.get_text_config()
        self._last_only = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        self._windows = _windows(self._config)
        self.device: torch.device = self._model.device
        self.slots = Slots()
        self.detour = step.refusal(self._model, adapters=adapters)
        """Why the tokens of an answer go through transformers' layers, as the end of a sentence; None where they go
        through step.cpp."""
        self._step: step.Step | None = None
        if self.detour is None:
            kinds = getattr(self._config, "layer_types", None) or ["all"] * self._config.num_hidden_layers
            self._step = step.Step(self._model, self.slots, [self._windows.get(kind) for kind in kinds])

    def read(self, first: int, starts: list[int], pieces: list[list[int]]) -> Tensor:
        """Take in the next tokens of neighbouring rows, which hold ``starts``; the logits behind the last of each,
        [rows, vocabulary]. The places behind a shorter piece are filled, too, until the row's next tokens come."""
        return self._read(first, starts, pieces, told=True)

    def fill(self, first: int, starts: list[int], pieces: list[list[int]]) -> None:
        """As ``read``, where nobody asks for logits."""
        self._read(first, starts, pieces, told=False)

    def _read(self, first: int, starts: list[int], pieces: list[list[int]], *, told: bool) -> Tensor:
        count = max(map(len, pieces))
        self.slots.open(first, starts, count)
        ids = torch.tensor([piece + piece[-1:] * (count - len(piece)) for piece in pieces], device=self.device)
        ends = torch.tensor([len(piece) - 1 for piece in pieces], device=self.device)
        # No position is behind a row's own last one: a model may not have any.
        steps = torch.minimum(torch.arange(count, device=self.device), ends[:, None])
        if not told:
            ends = torch.full_like(ends, count - 1)  # those of one place are the fewest there can be
        return self._pass(ids, torch.tensor(starts, device=self.device)[:, None] + steps, ends)

    def step(self, tokens: list[int], lengths: list[int]) -> Tensor:
        """Take in one token for each of the first rows, which hold ``lengths`` tokens; logits of [rows, vocabulary]."""
        if self._step is not None:
            return self._step(tokens, lengths)
        return self.read(0, lengths, [[token] for token in tokens])

    def renew(self) -> None:
        """Take the adapter as it is by now."""
        if self._step is not None:
            self._step.renew()

    def take_detour(self, reason: str) -> None:
        """Leave step.cpp, for this reason."""
        self._step, self.detour = None, reason

    def _pass(self, ids: Tensor, positions: Tensor, ends: Tensor) -> Tensor:
        """Logits in float32 behind the token of each row that ``ends`` names; ``ids`` and ``positions`` have the shape
        [rows, tokens]."""
        wanted, at = torch.unique(ends, return_inverse=True) if self._last_only else (None, ends)
        output = self._model(
            input_ids=ids,
            attention_mask=self._masks(positions),
            position_ids=positions,
            past_key_values=self.slots,
            use_cache=True,
            **({"logits_to_keep": wanted} if self._last_only else {}),
        )
        logits: Tensor = output.logits[torch.arange(len(ids), device=self.device), at].float()
        return logits

    def _masks(self, positions: Tensor) -> Tensor | dict[str, Tensor]:
        """What each token sees of its row, [rows, 1, tokens, width]: the tokens before it, and itself."""
        places = torch.arange(self.slots.width, device=self.device)
        own = positions[:, None, :, None]
        causal = places <= own
        masks = {
            kind: self._of_attention(causal if window is None else causal & (places > own - window))
            for kind, window in self._windows.items()
        }
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _of_attention(self, mask: Tensor) -> Tensor:
        if self._config._attn_implementation == "sdpa":
            return mask
        dtype = self._model.dtype
        return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def refusal(model: PreTrainedModel) -> str | None:
    """Why a model has to go by transformers' ``generate``; None where a decoder gives what the model gives."""
    inner: Any = bare(model)
    config = inner.config.get_text_config()
    if getattr(inner, "hf_quantizer", None) is not None:
        return "its weights are quantized"
    if not type(inner).__module__.startswith("transformers."):
        return "it comes with code of its own"
    if config is not inner.config:
        return "it takes in more than text"
    if not inner._can_compile_fullgraph:
        return "its cache is of a kind of its own"
    if config._attn_implementation not in ("sdpa", "eager"):
        return f"its attention is {config._attn_implementation}"
    if set(getattr(config, "layer_types", None) or ()) - LAYERS:
        return "not all of its layers keep keys and values"
    rope: Any = getattr(config, "rope_parameters", None) or {}
    kinds = {part.get("rope_type") for part in (rope, *rope.values()) if isinstance(part, dict)}
    if kinds & BY_LENGTH:
        return "its positions depend on the length of the whole"
    return None


def trial(decoder: Decoder) -> str | None:
    """Try a decoder with two short sequences of unequal length; why it is of no use, or None where its logits are
    those of a plain forward pass. Where they aren't by step.cpp, it goes without."""
    reason = _fault(decoder)
    if reason is not None and decoder.detour is None:
        decoder.take_detour(reason)
        reason = _fault(decoder)
    return reason


@torch.inference_mode()
def _fault(decoder: Decoder) -> str | None:
    model = decoder._model
    vocabulary = decoder._config.vocab_size
    sequences = [[(7 * place + 11 * row + 5) % vocabulary for place in range(n + 1)] for row, n in enumerate(TRIAL)]
    decoder.slots.resize(len(TRIAL), max(TRIAL) + 1)
    try:
        decoder.read(0, [0] * len(TRIAL), [ids[:-1] for ids in sequences])
        got = decoder.step([ids[-1] for ids in sequences], list(TRIAL))
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        # What a family's own code makes of a cache and a mask that it did not expect.
        return f"it does not take a cache from outside: {type(error).__name__}: {error}"
    decoder.slots.resize(0, 0)
    for row, ids in enumerate(sequences):
        expected = model(input_ids=torch.tensor([ids], device=decoder.device), use_cache=False).logits[0, -1].float()
        difference = float((got[row] - expected).abs().max() / expected.abs().max())
        if not difference <= TOLERANCE.get(model.dtype, 0.0):
            return f"its logits differ by {difference:.2g} of the largest"
    return None


def bare(model: PreTrainedModel) -> Any:
    """The model under an adapter, whose layers are in it."""
    tuned: Any = model
    return tuned.get_base_model() if hasattr(tuned, "peft_config") else tuned


def _windows(config: Any) -> dict[str, int | None]:
    """For each kind of layer how many tokens it sees; None for all."""
    window: int | None = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if kinds:
        if "sliding_attention" not in kinds:
            return {"full_attention": None}
        return {"full_attention": None, "sliding_attention": window}
    return {"all": window}
