"""How much memory a training takes, told from the model's configuration before anything is loaded.

One function for the preflight, for the worker's choices and for what is shown before a run. What a layer keeps for its
gradient is counted from transformers' layers and our engine's, tensor by tensor; what no formula knows was measured
(benchmarks/memory.py, benchmarks/LOG.md). No torch: the api process asks, too.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from modelforge.computing import cxx
from modelforge.contracts.base import Contract
from modelforge.contracts.preflight import MemoryEstimate
from modelforge.contracts.training import BITSANDBYTES_OPTIMIZERS, CHANGES_THE_BASE, Optimizer, TrainingConfig
from modelforge.tasks.base import Head

MB = 1e6
"""Bytes of the unit that everything is told in."""

LENGTH_WITHIN_MEMORY = {"low_end": 1024, "mid_range": 2048, "high_end": 4096}
"""Tokens of the longest example by default, where the model itself could take more."""

LIBRARIES_MB = 475.0
"""Main memory of a worker that has imported the training stack and made its trainer, on Linux with CPython 3.11 and
torch 2.13 …"""
TRL_MB = 105.0
"""… that has imported TRL, too …"""
QUANTIZATION_MB = 120.0
"""… and bitsandbytes, which wants torch's compiler (all measured)."""
COMPILER_MB = 60.0
"""torch's compiler and its sharded tensors, which a worker on a CPU leaves out."""
GPU_MB = 100.0
"""What the libraries of CUDA take of a GPU's memory for their own work, by torch's count."""
SLACK = 0.1
"""Of all that comes and goes: freed pieces of other sizes than those that are wanted next (measured, tcmalloc)."""

OPTIMIZER_BYTES: dict[Optimizer, float] = {
    "adamw_torch": 8,
    "adamw_torch_fused": 8,
    "adamw_8bit": 2,
    "paged_adamw_8bit": 2,
    "paged_adamw_32bit": 8,
    "lion_8bit": 1,
    "adafactor": 0.1,
    "rmsprop": 4,
    "sgd": 0,
}
"""What an optimizer remembers of each weight that is trained. Adafactor keeps a row and a column of each matrix."""

TOKENIZER_BYTES = 60
"""Of each token in a tokenizer's file, about."""
CHUNK = 256
"""Places whose logits the engine computes at a time: that of ``engine.loss``, which cannot be read without torch."""
GROUP_SCORES = 256 * 1024
"""Attention scores of a head that the engine computes at a time: that of ``engine.attention``."""
WHOLE = 16
"""What the engine's C++ fills ranks up to multiples of: that of ``engine.lowrank``."""
NORMS = {"gemma2": 4, "gemma3": 4, "gemma3_text": 4, "olmo2": 4, "cohere": 3}
"""By family, inputs of a layer's norms that lie in memory for them, or as much, where those are not two."""
NORMED = frozenset({"cohere", "gemma3", "gemma3_text", "olmo2", "qwen3"})
"""Families with norms of queries and keys, or a turn by positions of their own."""
SHORTEST_ROW = 128
"""Tokens of a row of the engine that memory makes shorter: products with fewer rows are slow."""
WAITING = ("dpo", "rlhf")
"""Strategies whose rows all wait for one loss, the engine's too: of a pair, or of all answers to the prompts."""
EAGER_LOGIT, PLAIN_LOGIT = 18, 20
"""Bytes of each logit at the worst moment of the loss: as it came, in float32, and what becomes its gradient. The
engine's own code writes that over the logit."""
WRITES_SCORES = frozenset({"longt5"})
"""Types whose attention writes its scores down in transformers, …"""
BIASED = frozenset({"t5", "mt5", "umt5"})
"""… and those that do where all weights are tuned: the bias that they add to them has a gradient then."""
LEARNT_POSITIONS = frozenset({"gpt2", "opt", "bert", "roberta", "distilbert", "electra", "albert", "bart", "gpt_neo"})


class Storage(Contract):
    """What a training writes at most, in units of 1 000 000 bytes."""

    checkpoint: float
    """One of them: what is trained, and what the optimizer remembers of it."""
    checkpoints: int
    """Those that are kept, and the one that is being written."""
    model: float
    """The finished model."""

    @property
    def run(self) -> float:
        """What goes to the run's folder."""
        return self.checkpoint * self.checkpoints


@dataclass(frozen=True)
class Batch:
    """What is computed at once."""

    tokens: int
    """All that lie between one forward pass and its backward pass, padding included."""
    longest: int
    """Of the longest document among them."""
    answers: int | None = None
    """Those whose next token is looked for, where a decoder of its own writes them; None: all."""

    @classmethod
    def of(cls, config: TrainingConfig, longest: int, row_tokens: int | None = None) -> Batch:
        """The largest one, where no document has more than ``longest`` tokens: of a row of the engine, or padded."""
        rows = config.per_device_train_batch_size or 1
        if config.strategy in WAITING:
            rows *= 2 if config.strategy == "dpo" else config.num_generations or 1
        elif row_tokens is not None:
            return cls(max(row_tokens, longest), longest)
        return cls(rows * longest, longest)


def estimate(
    model: Mapping[str, Any],
    config: TrainingConfig,
    batch: Batch,
    *,
    device: str,
    engine: bool,
    head: Head = Head.CAUSAL,
) -> MemoryEstimate | None:
    """What a training takes with this configuration, whose open fields count as off; ``model`` is the base model's
    ``config.json``. None where that does not tell the model's size."""
    shape = Shape.of(model)
    if shape is None:
        return None
    lora = config.use_lora
    half = 2 if config.bf16 or config.fp16 else 4
    quantized = bool(config.use_4bit or config.use_8bit) or config.strategy == "qlora"
    # What is tuned as it is is float32, and so is a base whose new head is.
    frozen = 4 if not lora or (head is Head.SPAN and not quantized) else half
    trained = shape.adapter(config) if lora else shape.weights
    way = _Way.of(device, engine=engine)
    kept = _kept(shape, config, batch, half, way)
    logits = _logits(shape, config, batch, half, way, head)
    weights = _weights(shape, config, frozen, engine=engine) * _copies(config)
    if device == "cpu" and _stored_as(model) == frozen:
        weights += frozen * _mapped(shape, quantized=quantized, engine=engine)
    libraries = _libraries(config, device, head, engine=engine, quantized=quantized)
    overhead = (GPU_MB if device == "cuda" else libraries) * MB
    moving = kept + logits
    return MemoryEstimate(
        weights=weights / MB,
        adapter=4 * trained * (2 if config.strategy == "rlhf" else 1) / MB if lora else 0.0,
        optimizer=trained * (4 + OPTIMIZER_BYTES[config.optim or "adamw_torch"]) / MB,
        activations=kept / MB,
        logits=logits / MB,
        overhead=(overhead + SLACK * moving) / MB,
    )


def storage(model: Mapping[str, Any], config: TrainingConfig) -> Storage | None:
    """What a training with this configuration writes. None where ``model``, the base's ``config.json``, does not tell
    its size."""
    shape = Shape.of(model)
    if shape is None:
        return None
    trained = shape.adapter(config) if config.use_lora else shape.weights
    kept = config.save_total_limit + (1 if config.load_best_model_at_end else 0)
    judged = config.strategy == "rlhf" and config.reward_model is None
    reward = shape.adapter(config) if judged else 0  # an adapter, whatever is trained
    # Those that take their start out of the base are saved as plain ones of twice the rank.
    saved = trained * (2 if config.use_lora and config.init_lora_weights in CHANGES_THE_BASE else 1)
    return Storage(
        # What is trained is float32 while it is, and is saved so.
        checkpoint=trained * (4 + OPTIMIZER_BYTES[config.optim or "adamw_torch"]) / MB,
        checkpoints=kept + 1 + (config.save_total_limit if reward else 0),
        model=(4 * (saved + reward) + TOKENIZER_BYTES * shape.vocabulary) / MB,
    )


@dataclass(frozen=True)
class Shape:
    """A model's sizes, as far as its memory asks for them."""

    kind: str
    hidden: int
    layers: int
    """Those of the encoder and of the decoder together, where there are two."""
    crossing: int
    """Layers that look at an encoder's output, too."""
    heads: int
    queries: int
    """Width of all queries of a token, and …"""
    keys: int
    """… of its keys, and of its values."""
    mlp: int
    gated: bool
    experts: int
    """Feed-forward parts of a layer; 1 where it is no mixture."""
    active: int
    """Of those, that a token goes through."""
    vocabulary: int
    tied: bool
    """Whether embeddings and output layer are the same weights."""
    positions: int
    """Positions that have weights of their own."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape | None:
        """By the names that transformers' models have for them; None where one is missing that has no default.

        ``config.json`` leaves out what is as its class has it; embeddings that it does not call untied count as tied,
        which errs towards less.
        """
        inner = config.get("text_config")
        text: Mapping[str, Any] = inner if isinstance(inner, Mapping) else config

        def size(*names: str) -> int | None:
            return next((text[name] for name in names if isinstance(text.get(name), int)), None)

        hidden = size("hidden_size", "n_embd", "d_model", "dim")
        layers = size("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers")
        heads = size("num_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads")
        vocabulary = size("vocab_size")
        if not hidden or not layers or not heads or not vocabulary:
            return None
        kind = str(text.get("model_type", ""))
        width = size("head_dim", "d_kv") or hidden // heads
        crossing = (size("num_decoder_layers", "decoder_layers") or layers) if text.get("is_encoder_decoder") else 0
        gate = str(text.get("feed_forward_proj", "")).startswith("gated") or text.get("is_gated_act") is True
        experts = size("num_local_experts", "num_experts", "n_routed_experts") or 1
        own = size("moe_intermediate_size") if experts > 1 else None
        return cls(
            kind=kind,
            hidden=hidden,
            layers=layers + crossing,
            crossing=crossing,
            heads=heads,
            queries=heads * width,
            keys=(size("num_key_value_heads") or heads) * width,
            mlp=own
            or size("intermediate_size", "n_inner", "d_ff", "ffn_dim", "hidden_dim", "encoder_ffn_dim")
            or 4 * hidden,
            gated=gate or "rms_norm_eps" in text or "silu" in (text.get("hidden_act"), text.get("hidden_activation")),
            experts=experts,
            active=(size("num_experts_per_tok", "moe_topk") or 1) if experts > 1 else 1,
            vocabulary=vocabulary,
            tied=config.get("tie_word_embeddings", text.get("tie_word_embeddings", True)) is not False,
            positions=(size("max_position_embeddings", "n_positions") or 0) if kind in LEARNT_POSITIONS else 0,
        )

    def linear(self) -> list[tuple[str, int, int, int]]:
        """Linear layers by the names that the Llama family has for them: name, width in, width out, and how many the
        whole model has."""
        attention = self.layers + self.crossing
        mlps = self.layers * self.experts
        gate = [("gate_proj", self.hidden, self.mlp, mlps)] if self.gated else []
        return [
            ("q_proj", self.hidden, self.queries, attention),
            ("k_proj", self.hidden, self.keys, attention),
            ("v_proj", self.hidden, self.keys, attention),
            ("o_proj", self.queries, self.hidden, attention),
            *gate,
            ("up_proj", self.hidden, self.mlp, mlps),
            ("down_proj", self.mlp, self.hidden, mlps),
        ]

    @property
    def depth(self) -> float:
        """Layers that a token goes through: of an encoder-decoder one half."""
        return self.layers / 2 if self.crossing else self.layers

    @property
    def within(self) -> int:
        """Weights of all linear layers but the output layer."""
        return sum(width_in * width_out * number for _, width_in, width_out, number in self.linear())

    @property
    def around(self) -> int:
        """Weights of the embeddings and the output layer."""
        return (self.vocabulary * (1 if self.tied else 2) + self.positions) * self.hidden

    @property
    def weights(self) -> int:
        """All but the few of the norms and biases."""
        return self.within + self.around

    def adapter(self, config: TrainingConfig) -> int:
        """Weights of a LoRA adapter. Experts count like other layers; names that are not the Llama family's are taken
        for all layers."""
        wanted = [layer for layer in self.linear() if _targeted(layer[0], config.target_modules)] or self.linear()
        rank = config.lora_r
        lengths = sum(width_out * number for _, _, width_out, number in wanted) if config.use_dora else 0
        return lengths + sum(rank * (width_in + width_out) * number for _, width_in, width_out, number in wanted)


def _targeted(name: str, targets: str | Sequence[str]) -> bool:
    if targets == "all-linear":
        return True
    if isinstance(targets, str):
        return any(re.fullmatch(targets, f"model.layers.0.{part}.{name}") for part in ("self_attn", "mlp"))
    return any(target.rpartition(".")[2] == name for target in targets)


def _weights(shape: Shape, config: TrainingConfig, frozen: int, *, engine: bool) -> float:
    if config.use_8bit:
        return shape.within + frozen * shape.around
    if config.use_4bit or config.strategy == "qlora":
        # A constant of four bytes for 64 weights; a nested one has one byte, which the engine unfolds.
        constant = 4 / 64 if not config.use_nested_quant else 1 / 64 + (4 / 64 if engine else 0)
        return (0.5 + constant) * shape.within + frozen * shape.around
    return frozen * shape.weights


def _stored_as(model: Mapping[str, Any]) -> int | None:
    """Bytes of each weight in the model's file; None where ``config.json`` says nothing of it."""
    return {"float32": 4, "bfloat16": 2}.get(str(model.get("dtype") or model.get("torch_dtype")))


def _mapped(shape: Shape, *, quantized: bool, engine: bool) -> int:
    """Weights whose part of the file stays in memory beside what was made of them, where the others need no other type:
    those are the file itself. What is quantized is made anew, and so is what the engine lays together."""
    if quantized:
        return shape.within
    together = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj") if engine else ()
    return sum(i * o * number for name, i, o, number in shape.linear() if name in together)


def _copies(config: TrainingConfig) -> int:
    """Models in memory: an adapter is turned off to be what it was, all weights are not."""
    return 1 if config.use_lora else {"dpo": 2, "rlhf": 3}.get(config.strategy, 1)


class _Way(Enum):
    """What computes the layers: transformers and PEFT, or the engine by its own C++, its own Triton, or torch's
    operations."""

    PLAIN = auto()
    NATIVE = auto()
    TRITON = auto()
    TORCH = auto()

    @classmethod
    def of(cls, device: str, *, engine: bool) -> _Way:
        if not engine:
            return cls.PLAIN
        if device == "cpu" and cxx():
            return cls.NATIVE
        return cls.TRITON if device == "cuda" and importlib.util.find_spec("triton") else cls.TORCH


def _kept(shape: Shape, config: TrainingConfig, batch: Batch, half: int, way: _Way) -> float:
    """Bytes that the layers keep for the gradient, and what one layer's backward pass takes beside them."""
    each = batch.tokens * _kept_by_token(shape, config, half, way)
    writes = shape.kind in WRITES_SCORES or (shape.kind in BIASED and not config.use_lora)
    scores = _scores(shape, batch, half, way, writes=writes)
    written = scores if writes else 0.0
    working = batch.tokens * half * 4 * shape.mlp * shape.active + (0.0 if written else scores)
    casts = half * shape.within if not config.use_lora and half == 2 else 0
    if config.gradient_checkpointing:
        entries = batch.tokens * shape.hidden * shape.depth * (half if config.use_lora else 4)
        return entries + each + written + working + casts / shape.layers
    return shape.depth * (each + written) + working + casts


def _kept_by_token(shape: Shape, config: TrainingConfig, half: int, way: _Way) -> float:
    """Bytes that one layer keeps of each token.

    Two norms keep their input and their result; the former in float32, but for the engine's own code. Attention keeps
    queries, keys, values and its result; before the rotation, which the engine's C++ leaves to attention, or a norm of
    their own queries and keys lie there once more. A feed-forward part keeps what its activation reads and makes, and
    what the last product reads. Of each linear layer its adapter keeps the product with A. For the engine's C++, what
    norms and activations make is made again when it is read.
    """
    hidden, queries, keys, mlp = shape.hidden, shape.queries, shape.keys, shape.mlp * shape.active
    layers = 7 if shape.gated else 6
    low = layers * half * config.lora_r if config.use_lora else 0
    inner = (4 if shape.gated else 2) * mlp
    before = queries + keys if way is _Way.TRITON or shape.kind in NORMED else 0
    if way is _Way.NATIVE:
        if config.use_lora:
            low = layers * 4 * math.ceil(config.lora_r / WHOLE) * WHOLE
        own = 2 * hidden + mlp if config.use_dora else 0  # PEFT's own pass keeps what it reads
        norms = NORMS.get(shape.kind, 2) * hidden
        return half * (norms + 2 * queries + 2 * keys + before + 2 * mlp + own) + low + 4 * shape.heads
    if way is _Way.TRITON:
        # Of dropout it keeps no more than a number: the result stands for what the product would keep, but for
        # attention's, which that keeps as well.
        dropped = queries if config.lora_dropout else 0
        inner = (3 if shape.gated else 2) * mlp
        return half * (4 * hidden + 2 * queries + 2 * keys + before + inner + dropped) + low + 4 * shape.heads
    dropped = 2 * hidden + queries + mlp if config.lora_dropout else 0
    if way is _Way.TORCH:
        return 8 * hidden + half * (2 * hidden + 3 * queries + 3 * keys + inner) + low + dropped + 4 * shape.heads
    # Each layer's adapter casts its input by itself; keys and values are repeated for the heads that share them.
    inputs = (5 if shape.gated else 4) * hidden + queries + mlp
    dropped = inputs if config.lora_dropout and config.use_lora else 0
    norms = 8 * hidden if config.use_lora else 16 * hidden
    return norms + half * (inputs + 4 * queries + (inner - mlp)) + low + dropped


def _scores(shape: Shape, batch: Batch, half: int, way: _Way, *, writes: bool) -> float:
    """Bytes of the attention scores of one layer that lie written down at once; ``writes`` is transformers' own way."""
    if way in (_Way.NATIVE, _Way.TRITON):
        return 0.0
    if way is _Way.TORCH:
        return 3.0 * half * shape.heads * min(GROUP_SCORES, batch.longest * batch.tokens)
    if writes:
        return (4.0 + 2 * half) * shape.heads * batch.longest * batch.tokens
    return 0.0


def _logits(shape: Shape, config: TrainingConfig, batch: Batch, half: int, way: _Way, head: Head) -> float:
    if head is Head.SPAN:
        return 0.0
    if way is not _Way.PLAIN:
        each = EAGER_LOGIT if way is _Way.TORCH else half
        return float(min(CHUNK, batch.tokens) * shape.vocabulary * each)
    return float((batch.answers or batch.tokens) * shape.vocabulary * PLAIN_LOGIT)


def _libraries(config: TrainingConfig, device: str, head: Head, *, engine: bool, quantized: bool) -> float:
    """Units of ``MB`` that they take of main memory."""
    bitsandbytes = quantized or config.optim in BITSANDBYTES_OPTIMIZERS
    trl = config.strategy in WAITING or (head is Head.CAUSAL and not engine)
    found = LIBRARIES_MB + (TRL_MB if trl else 0.0) + (QUANTIZATION_MB if bitsandbytes else 0.0)
    return found + (COMPILER_MB if device != "cpu" and not bitsandbytes else 0.0)
