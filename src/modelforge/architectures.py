"""Which model types can do what, known from ``config.json`` alone, before any training library is loaded.

Copies of transformers' own mappings (``models/auto/modeling_auto.py``), which cannot be asked without loading it; a
test holds them against it. A type that is in none of them is left to the worker to find out about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelforge.errors import InvalidRequest

ENCODERS = frozenset(
    """
    albert bert big_bird camembert convbert data2vec-text deberta deberta-v2 distilbert electra ernie esm esmc
    eurobert flaubert fnet funnel gte ibert jina_embeddings_v3 layoutlm longformer luke megatron-bert mobilebert
    modernbert modernvbert mpnet mra neomme nomic_bert nystromformer perceiver reformer rembert roberta
    roberta-prelayernorm roc_bert roformer squeezebert tapas ultrabert ultravbert xlm xlm-roberta xlm-roberta-xl
    xmod yoso
    """.split()  # noqa: SIM905
)
"""Models that read a text as a whole and fill in what is masked; they write nothing."""

SPAN_HEADS = frozenset(
    """
    albert arcee bart bert big_bird bigbird_pegasus bloom camembert canine convbert data2vec-text deberta
    deberta-v2 diffllama distilbert electra ernie exaone4 falcon flaubert fnet funnel gpt2 gpt_neo gpt_neox gptj
    ibert jina_embeddings_v3 led llama longformer luke mbart megatron-bert minimax ministral ministral3 mistral
    mixtral mobilebert modernbert mpnet mpt mra mt5 mvp nemotron nystromformer opt qwen2 qwen2_moe qwen3
    qwen3_moe qwen3_next reformer rembert roberta roberta-prelayernorm roc_bert roformer seed_oss smollm3
    splinter squeezebert t5 ultrabert umt5 xlm xlm-roberta xlm-roberta-xl xlnet xmod yoso
    """.split()  # noqa: SIM905
)
"""Models that transformers gives a head for extractive question answering, without those that want pictures or places
on a page."""


EXACT_PACKING = frozenset(
    """
    cohere gemma gemma3_text gpt2 gpt_neox granite llama mistral mixtral olmo2 phi phi3 qwen2 qwen3 smollm3 stablelm
    """.split()  # noqa: SIM905
)
"""Model types that keep documents in one row apart by their position ids alone: logits equal to separate passes within
1.5e-6, measured with transformers 5.23 on SDPA. Others (OPT, BLOOM, Falcon) let them see each other."""

COUNTS_FROM_PADDING = frozenset(
    """
    camembert data2vec-text ibert longformer mpnet roberta roberta-prelayernorm xlm-roberta xlm-roberta-xl xmod
    """.split()  # noqa: SIM905
)
"""Model types whose positions start behind the padding token's id (``create_position_ids_from_input_ids``)."""


def is_encoder_decoder(config: Mapping[str, Any]) -> bool:
    """Whether a model reads with an encoder and writes with a decoder, by its ``config.json``."""
    return bool(config.get("is_encoder_decoder"))


def has_experts(config: Mapping[str, Any]) -> bool:
    """Whether the model's layers are mixtures of experts, whose weights lie in one block."""
    return any(config.get(name) for name in ("num_local_experts", "num_experts", "n_routed_experts"))


def require_causal(config: Mapping[str, Any], name: str, task: str) -> None:
    """Raises InvalidRequest for a model that does not generate text from left to right."""
    kind = config.get("model_type")
    if is_encoder_decoder(config):
        raise InvalidRequest(
            f"model_name: '{name}' is an encoder-decoder model ({kind}), and {task} needs a causal one (Llama, Qwen, "
            "Mistral, Gemma, Phi, GPT-2 and the like). The task that fits it is summarization."
        )
    require_writer(config, name, task)


def require_writer(config: Mapping[str, Any], name: str, task: str) -> None:
    """Raises InvalidRequest for an encoder, which writes nothing."""
    kind = config.get("model_type")
    # BERT and its like generate only when they were made decoders.
    if kind in ENCODERS and not config.get("is_decoder"):
        wanted = "a causal language model (Llama, Qwen, Mistral, Gemma, Phi, GPT-2 and the like)"
        if task == "summarization":
            wanted = f"an encoder-decoder model (T5, BART, Pegasus and the like) or {wanted}"
        raise InvalidRequest(
            f"model_name: '{name}' is an encoder ({kind}), which does not generate text from left to right; {task} "
            f"needs {wanted}. The task that fits it is extractive-question-answering."
        )


def require_span(config: Mapping[str, Any], name: str) -> None:
    """Raises InvalidRequest for a model that has no head to point at an answer."""
    kind = config.get("model_type")
    if kind is not None and kind not in SPAN_HEADS:
        raise InvalidRequest(
            f"model_name: '{name}' is a {kind} model, for which transformers has no head for extractive question "
            "answering; use an encoder (BERT, RoBERTa, DeBERTa, …) or a causal model that has one (Llama, Qwen2, "
            "Qwen3, Mistral, GPT-2, …)"
        )


def require_exact_packing(config: Mapping[str, Any], name: str) -> None:
    """Raises InvalidRequest for a model whose rows would see each other when they are laid end to end."""
    inner = config.get("text_config")
    kind = (inner if isinstance(inner, dict) else config).get("model_type")
    if kind is not None and kind not in EXACT_PACKING:
        raise InvalidRequest(
            f"packing: rows of '{name}', a {kind} model, would see each other when they are laid end to end; leave "
            "packing out"
        )
