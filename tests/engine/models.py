"""Tiny models of every family with an adapter that does something, and documents to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from modelforge.engine.engine import Documents, Engine
from modelforge.tasks.base import IGNORED

VOCABULARY = 512
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 2048,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# What each family has of its own is turned on, and to values that change the result.
OWN: dict[str, dict[str, Any]] = {
    "gemma": {"head_dim": 16},
    "gemma2": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 64, "final_logit_softcapping": 2.0},
    "gemma3_text": {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 64, "sliding_window_pattern": 2},
    "mistral": {"sliding_window": 64},
    "phi3": {"sliding_window": 64},
    "qwen3": {"head_dim": 16},
    "granite": {
        "logits_scaling": 3.0,
        "attention_multiplier": 0.2,
        "residual_multiplier": 0.5,
        "embedding_multiplier": 2.0,
    },
    "cohere": {"logit_scale": 0.25},
}


def make(kind: str, *, dtype: torch.dtype = torch.float32, seed: int = 0, **lora: Any) -> Any:
    """A model of a family, in training mode; ``lora`` are more of PEFT's options."""
    config = AutoConfig.for_model(kind, **{**SIZES, **OWN.get(kind, {})})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(dtype)
    return with_adapter(model, **lora)


def with_adapter(model: Any, **lora: Any) -> Any:
    """A LoRA adapter whose B is not 0."""
    options = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **lora}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        tuned: Any = get_peft_model(model, LoraConfig(**options))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in tuned.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
        if "lora_B" in name:
            parameter.data.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return tuned.train()


def documents(lengths: Sequence[int] = (5, 40, 17, 120, 600, 33, 1), seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Ids and targets of documents of these lengths; of each the second half is learnt."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for length in lengths:
        ids = torch.randint(3, VOCABULARY, (length,), generator=generator)
        targets = torch.full((length,), IGNORED)
        targets[length // 2 : -1] = ids[length // 2 + 1 :]
        made.append((ids, targets))
    return made


def end_to_end(made: Sequence[tuple[Tensor, Tensor]]) -> Documents:
    """All of them in one row."""
    return Documents(
        torch.cat([ids for ids, _ in made]),
        torch.cat([targets for _, targets in made]),
        torch.cat([torch.arange(len(ids)) for ids, _ in made]),
        torch.tensor([len(ids) for ids, _ in made]),
    )


def gradient(model: Any) -> Tensor:
    """That of all that is trained, as one vector; forgotten by the model."""
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
    model.zero_grad()
    return found


def one_by_one(model: Any, made: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, Tensor]:
    """Loss and gradient of transformers and PEFT, one document at a time."""
    learnt = sum(int((targets >= 0).sum()) for _, targets in made)
    loss = 0.0
    for ids, targets in made:
        logits = model(input_ids=ids[None]).logits[0].float()
        part = torch.nn.functional.cross_entropy(logits, targets, reduction="sum", ignore_index=IGNORED) / learnt
        if part.requires_grad:
            part.backward()
        loss += float(part.detach())
    return loss, gradient(model)


def by_engine(model: Any, engine: Engine, made: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, Tensor]:
    """Loss and gradient of the engine."""
    with engine.at_work():
        loss, _, learnt = engine.loss(end_to_end(made))
        (loss / learnt).backward()
    return float(loss.detach()) / learnt, gradient(model)


def compute_anew(model: Any) -> None:
    """Activations are not kept for the backward pass from here on."""
    model.enable_input_require_grads()
    model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})


def apart(found: Tensor, wanted: Tensor) -> float:
    """The relative distance, in the Euclidean norm."""
    return float((found - wanted).norm() / wanted.norm())
