"""How much arithmetic a step of LoRA needs at least, and how much the machine can do."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.speed.models import Llama


def linears(shape: Llama) -> list[tuple[str, int, int]]:
    """The projections of a layer: name, inputs, outputs."""
    width, kv, mlp = shape.hidden, shape.kv_width, shape.mlp
    return [
        ("q", width, width),
        ("k", width, kv),
        ("v", width, kv),
        ("o", width, width),
        ("gate", width, mlp),
        ("up", width, mlp),
        ("down", mlp, width),
    ]


def flops(shape: Llama, rows: Sequence[tuple[int, int]], rank: int = 16) -> float:
    """Floating-point operations of one forward and backward pass over rows of so many prompt and completion tokens.

    A multiplication and an addition count two. Frozen weights are passed forward and backward, and get no gradient of
    their own; nothing goes back below the first layer's adapters. The head sees completions alone, causal attention
    what stands before a token. Norms, activations and the optimizer are left out, and so is what is recomputed.
    """
    tokens = sum(prompt + completion for prompt, completion in rows)
    learnt = sum(completion for _, completion in rows)
    layer = linears(shape)
    weights = sum(inputs * outputs for _, inputs, outputs in layer)
    adapters = sum(rank * (inputs + outputs) for _, inputs, outputs in layer)
    lowest = [(inputs, outputs) for name, inputs, outputs in layer if name in "qkv"]
    # Forward, and the gradient of the inputs; for adapters also that of their own weights.
    per_token = shape.layers * (4 * weights + 6 * adapters)
    # The first layer's q, k and v read the embeddings, which need no gradient.
    per_token -= sum(2 * inputs * outputs + 2 * rank * inputs for inputs, outputs in lowest)
    head = 4 * shape.hidden * shape.vocab
    # Two products forward, four backward, each over the pairs of tokens that see each other.
    seen = sum(length * (length + 1) / 2 for length in map(sum, rows))
    attention = 6 * 2 * shape.hidden * seen * shape.layers
    return tokens * per_token + learnt * head + attention


def products(shape: Llama) -> list[tuple[int, int, int]]:
    """The matrix products of a forward pass, as wide as they can be laid: inputs, outputs, how many of them."""
    width, kv, mlp = shape.hidden, shape.kv_width, shape.mlp
    return [
        (width, width + 2 * kv, shape.layers),
        (width, width, shape.layers),
        (width, 2 * mlp, shape.layers),
        (mlp, width, shape.layers),
        (width, shape.vocab, 1),
    ]
