"""The step of step.cpp: one more token for each of a few rows of a cache, all layers in one call.

A pass through transformers' own layers costs more Python than it reads weights: of 30 ms for a token of 135M weights in
bfloat16 a third is reading them (measured, benchmarks/LOG.md). Prompts go through transformers' layers, whose weights
and cache are used here where they lie.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from modelforge.engine import families, projections
from modelforge.inference.half import HalfLinear
from modelforge.inference.slots import Slots
from modelforge.native import STEP, code

ADAPTER = "default"
_Low = tuple[Tensor, Tensor]
"""An adapter's two matrices, as step.cpp's Matrix has them."""
_TYPES = {torch.float32: 0, torch.bfloat16: 1}
_ONE_KIND = "all"
"""Of positions, where all layers turn by the same."""


@dataclass(frozen=True)
class Family:
    """How one architecture's decoder layers differ from Llama's: a new one is a line in ``FAMILIES``."""

    norms: tuple[str | None, str | None, str | None, str | None] = (
        "input_layernorm",
        None,
        "post_attention_layernorm",
        None,
    )
    """The layer's norms before and after its attention, before and after its MLP."""
    whole: bool = False
    """Whether the norms of queries and keys, where there are any, are over all heads at once."""
    fused: bool = False
    """Whether queries, keys and values are one linear layer, and gate and up another."""
    factors: Callable[[Any], tuple[float, float]] = lambda config: (1.0, 1.0)
    """By the configuration, what multiplies the embedded tokens, and what a layer adds."""


LLAMA = Family()
SANDWICH = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)
FAMILIES: dict[str, Family] = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "smollm3": LLAMA,
    "olmo2": Family(norms=(None, "post_attention_layernorm", None, "post_feedforward_layernorm"), whole=True),
    "gemma": LLAMA,
    "gemma2": Family(norms=SANDWICH),
    "gemma3_text": Family(norms=SANDWICH),
    "granite": Family(factors=lambda config: (config.embedding_multiplier, config.residual_multiplier)),
    "phi3": Family(fused=True),
}


def refusal(model: Any, *, adapters: bool = False) -> str | None:
    """Why a model's tokens go through transformers' own layers, as the end of a sentence; None where they don't have
    to. ``model`` has no adapter around it; with ``adapters``, LoRA's "default" may lie beside its weights."""
    config = model.config
    if config.model_type not in FAMILIES:
        return f"there is none for models of the kind {config.model_type}"
    if model.device.type != "cpu":
        return "it is for processors"
    types = {parameter.dtype for name, parameter in model.named_parameters() if "lora_" not in name}
    if len(types) > 1 or not types <= _TYPES.keys():
        return f"its weights are {', '.join(sorted(str(dtype).removeprefix('torch.') for dtype in types))}"
    activation = families.activation(config)
    if activation not in families.SILU | families.GELU:
        return f"its activation is {activation}"
    if any(isinstance(layer, nn.Linear) and type(layer) is not nn.Linear for layer in model.modules()):
        return "not all of its linear layers are plain ones"
    if any(not parameter.is_contiguous() for parameter in model.parameters()):
        return "its weights don't lie in order"
    beside = [layer for layer in model.modules() if hasattr(layer, "base_layer")]
    if beside and not (adapters and all(map(is_plain, beside))):
        return "an adapter lies beside its weights"
    return code(STEP).fault


def is_plain(layer: Any) -> bool:
    """Whether a layer is LoRA as step.cpp has it, over a linear one."""
    return projections.is_plain(layer) or projections.is_plain(layer, HalfLinear)


def plain(layer: Any) -> nn.Linear:
    """A linear layer without the adapter around it."""
    found: nn.Linear = getattr(layer, "base_layer", layer)
    return found


@dataclass(frozen=True)
class _Turn:
    """Cosines and sines of positions."""

    each: tuple[Tensor, ...]
    """Of every position, both [capacity, rotated]."""
    now: tuple[Tensor, ...]
    """Of the rows' own in this step, both [rows, rotated]."""

    def to(self, positions: Tensor) -> None:
        for each, now in zip(self.each, self.now, strict=True):
            torch.index_select(each, 0, positions, out=now[: len(positions)])


@dataclass(frozen=True)
class _View:
    """A cache as step.cpp is told of it."""

    place: tuple[int, ...]
    """Its rows, its capacity, and where its tensors lie."""
    table: ctypes.Array[ctypes.c_void_p]
    """The layers, as step.cpp has them."""
    turns: dict[str, _Turn]
    """By kind of layer."""
    rotated: int


class Step:
    """One model's step over one cache."""

    def __init__(self, model: Any, slots: Slots, windows: list[int | None]) -> None:
        """``refusal`` has said that there is one for it; ``windows`` tell for each layer how many tokens it sees, None
        for all. An adapter's matrices are those that it has now, until ``renew``."""
        config = model.config
        self._family = FAMILIES[config.model_type]
        shared = families.FAMILIES[config.model_type]
        self._one_more = shared.one_more
        self._model = model.model
        self._slots = slots
        self._layers = list(self._model.layers)
        self._rank = max((len(low.lora_A[ADAPTER].weight) for low in self._model.modules() if is_plain(low)), default=0)
        self._adapters: list[tuple[Any, Tensor, Tensor]] = []
        """Layers with an adapter, and what ``renew`` fills: down, (rank, inputs), and up, (outputs, rank)."""
        self._view: _View | None = None
        self._dtype: torch.dtype = model.dtype
        self._kept: list[Tensor] = []  # whatever becomes of the model, what the tables point to stays
        self._tables = [self._table(layer) for layer in self._layers]
        head = model.lm_head
        self._ends = [self._norm(self._model.norm), *self._matrix(head.weight, head.bias)[:2]]
        self._windows = (ctypes.c_int64 * len(windows))(*(window or 0 for window in windows))
        self._kinds = self._rope_kinds(config)
        self._types = _TYPES[head.weight.dtype], _TYPES[self._dtype]
        attention = self._layers[0].self_attn
        self._vocabulary = head.out_features
        self._sizes = (
            len(self._layers), config.hidden_size, config.num_attention_heads, config.num_key_value_heads,
            attention.head_dim, config.intermediate_size, self._vocabulary, self._family.whole,
            families.activation(config) in families.GELU, self._rank,
        )  # fmt: skip
        self.renew()
        self._embedding_factor, residual = self._family.factors(config)
        logits, cap = shared.logits(config)
        self._factors = (ctypes.c_float * 6)(
            config.rms_norm_eps, attention.scaling, getattr(config, "attn_logit_softcapping", None) or 0.0, residual,
            logits, cap,
        )  # fmt: skip

    @torch.no_grad()
    def renew(self) -> None:
        """Take the adapter's matrices as they are by now."""
        for layer, down, up in self._adapters:
            rank = len(layer.lora_A[ADAPTER].weight)
            down[:rank] = layer.lora_A[ADAPTER].weight
            torch.mul(layer.lora_B[ADAPTER].weight, layer.scaling[ADAPTER], out=up[:, :rank])

    def __call__(self, tokens: list[int], lengths: list[int]) -> Tensor:
        """Take in one token for each of the first rows, which hold ``lengths`` tokens; logits of [rows, vocabulary] in
        float32."""
        rows, capacity = self._slots.rows, self._slots.capacity
        if len(lengths) > rows or not all(0 <= length < capacity for length in lengths):
            raise IndexError(f"{lengths} tokens are no rows of a cache of {rows} × {capacity}")
        view = self._seen()
        embedded = self._model.embed_tokens(torch.tensor(tokens)).float().mul_(self._embedding_factor)
        positions = torch.tensor(lengths)
        for turn in view.turns.values():
            turn.to(positions)
        logits = torch.empty(len(tokens), self._vocabulary)
        ends = (embedded.data_ptr(), *self._ends, logits.data_ptr())
        library = code(STEP).library
        assert library is not None
        library.modelforge_step(
            view.table,
            self._windows,
            (ctypes.c_int64 * (len(self._sizes) + 3))(*self._sizes, view.rotated, capacity, len(tokens)),
            self._factors,
            ctypes.c_void_p(positions.data_ptr()),
            (ctypes.c_void_p * len(ends))(*ends),
            *map(ctypes.c_int, (*self._types, torch.get_num_threads())),
        )
        return logits

    def _seen(self) -> _View:
        """The cache as step.cpp is told of it; made anew where it has moved."""
        slots = self._slots
        held = [tensor.data_ptr() for pair in slots.layers_held for tensor in pair]
        place = (slots.rows, slots.capacity, *held)
        if self._view is None or self._view.place != place:
            turns = {kind: self._turn(kind) for kind in set(self._kinds) - {""}}
            addresses: list[int | None] = []
            for at, (table, kind) in enumerate(zip(self._tables, self._kinds, strict=True)):
                addresses += table
                addresses += held[2 * at : 2 * at + 2]
                addresses += [each.data_ptr() for each in turns[kind].now] if kind else [None, None]
            rotated = next((turn.now[0].shape[1] for turn in turns.values()), 0)
            self._view = _View(place, (ctypes.c_void_p * len(addresses))(*addresses), turns, rotated)
        return self._view

    def _turn(self, kind: str) -> _Turn:
        """Of the positions that a row of the cache has, for layers of a kind."""
        by_kind = {} if kind == _ONE_KIND else {"layer_type": kind}
        positions = torch.arange(self._slots.capacity)[None]
        found = self._model.rotary_emb(torch.zeros(1), position_ids=positions, **by_kind)
        each = tuple(numbers[0].contiguous() for numbers in found)
        return _Turn(each, tuple(numbers.new_empty(self._slots.rows, numbers.shape[1]) for numbers in each))

    def _rope_kinds(self, config: Any) -> list[str]:
        """For each layer which positions it turns by; empty for one that doesn't."""
        several = isinstance(self._model.rotary_emb.rope_type, dict)
        kinds = config.layer_types if several else [_ONE_KIND] * len(self._layers)
        turns = getattr(config, "no_rope_layers", None) or [1] * len(kinds)
        return [kind if turn else "" for kind, turn in zip(kinds, turns, strict=True)]

    def _table(self, layer: Any) -> list[int | None]:
        """The addresses of a layer, as step.cpp's Layer begins."""
        attention, mlp = layer.self_attn, layer.mlp
        if self._family.fused:
            down = plain(mlp.down_proj)
            sizes = [plain(attention.o_proj).in_features]
            sizes += [attention.num_key_value_heads * attention.head_dim] * 2
            first = self._parts(attention.qkv_proj, sizes)
            second = self._parts(mlp.gate_up_proj, [down.in_features] * 2)
        else:
            first = [*map(self._linear, (attention.q_proj, attention.k_proj, attention.v_proj))]
            second = [*map(self._linear, (mlp.gate_proj, mlp.up_proj))]
        matrices = [*first, self._linear(attention.o_proj), *second, self._linear(mlp.down_proj)]
        before, after, before_mlp, after_mlp = (name and getattr(layer, name) for name in self._family.norms)
        of_query, of_key = (getattr(attention, name, None) for name in ("q_norm", "k_norm"))
        norms = [self._norm(norm) for norm in (before, of_query, of_key, after, before_mlp, after_mlp)]
        return [address for matrix in matrices for address in matrix] + norms

    def _matrix(self, weight: Tensor, bias: Tensor | None, low: _Low | None = None) -> list[int | None]:
        """The addresses of step.cpp's Matrix."""
        self._kept.append(weight.detach())
        adapter = [None, None] if low is None else [each.data_ptr() for each in low]
        return [weight.data_ptr(), self._vector(bias), *adapter]

    def _linear(self, layer: Any) -> list[int | None]:
        return self._matrix(plain(layer).weight, plain(layer).bias, self._low(layer))

    def _parts(self, layer: Any, sizes: list[int]) -> list[list[int | None]]:
        """Linear layers of so many outputs that are stored as one."""
        own, low = plain(layer), self._low(layer)
        biases = [None] * len(sizes) if own.bias is None else torch.split(own.bias, sizes)
        lows = [None] * len(sizes) if low is None else [(low[0], up) for up in torch.split(low[1], sizes)]
        return [*map(self._matrix, torch.split(own.weight, sizes), biases, lows)]

    def _low(self, layer: Any) -> _Low | None:
        """Room for an adapter's matrices; None for a layer that has none."""
        if layer is plain(layer):
            return None
        own = plain(layer)
        down = torch.zeros(self._rank, own.in_features, dtype=self._dtype)
        up = torch.zeros(own.out_features, self._rank)
        self._adapters.append((layer, down, up))
        return down, up

    def _norm(self, norm: Any) -> int | None:
        return None if norm is None else self._vector(norm.weight, more=float(self._one_more))

    def _vector(self, numbers: Tensor | None, more: float = 0.0) -> int | None:
        """The address of a copy in float32."""
        if numbers is None:
            return None
        self._kept.append(numbers.detach().float() + more)
        return self._kept[-1].data_ptr()
