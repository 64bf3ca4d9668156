"""What the engine must know of a family of models beside what transformers' own layers do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Names = tuple[str, ...]


def _plain(_: PreTrainedConfig) -> tuple[float, float]:
    return 1.0, 0.0


@dataclass(frozen=True)
class Family:
    """One architecture: a new one is a line in ``FAMILIES`` and passes tests/engine."""

    projections: tuple[Names, ...] = (
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        ("self_attn.o_proj",),
        ("mlp.gate_proj", "mlp.up_proj"),
        ("mlp.down_proj",),
    )
    """Linear layers below a decoder layer; those that read the same input stand together, in the order of the calls."""
    logits: Callable[[Any], tuple[float, float]] = _plain
    """What the output layer's result is multiplied by, and what it is bent to (0: nothing), by the configuration."""
    one_more: bool = False
    """Whether a norm multiplies by its weight and one."""
    halves: bool = True
    """Whether positions turn pairs of a head's first and second half."""


LLAMA = Family()
FUSED = Family(projections=(("self_attn.qkv_proj",), ("self_attn.o_proj",), ("mlp.gate_up_proj",), ("mlp.down_proj",)))
FAMILIES: dict[str, Family] = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "smollm3": LLAMA,
    "olmo2": LLAMA,
    "gemma": Family(one_more=True),
    "gemma2": Family(one_more=True, logits=lambda config: (1.0, config.final_logit_softcapping or 0.0)),
    "gemma3_text": Family(one_more=True, logits=lambda config: (1.0, config.final_logit_softcapping or 0.0)),
    "granite": Family(logits=lambda config: (1.0 / config.logits_scaling, 0.0)),
    "cohere": Family(halves=False, logits=lambda config: (config.logit_scale, 0.0)),
    "phi3": FUSED,
}

SILU = frozenset({"silu", "swish"})
GELU = frozenset({"gelu_pytorch_tanh", "gelu_new"})
"""The names that transformers has for GELU by tanh."""


def activation(config: Any) -> str:
    """That of a model's feed-forward parts, by transformers' name for it."""
    return str(getattr(config, "hidden_activation", None) or config.hidden_act)
