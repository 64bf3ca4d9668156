"""Whether compiling a model's layers pays for a run of some length on a GPU: on a CPU the engine has C++ of its own."""

from __future__ import annotations

import importlib.util
import time

import torch
from peft.tuners.lora import LoraLayer
from torch import nn

COMPILING_SECONDS = 10.0
"""What compiling costs, when nothing of it lies in the cache …"""
GAIN = 0.2
"""… the share of the training's time that it saves …"""
EAGER_SHARE = 0.45
"""… and what a training comes to of the rate of large products without it: measured on two cores of a CPU
(benchmarks/LOG.md), on no GPU yet."""


def compiling_pays(model: nn.Module, tokens: float) -> bool:
    """Whether a training on so many tokens ends sooner with the layers compiled."""
    weight = next(parameter for parameter in model.parameters() if not parameter.requires_grad)
    dtype = weight.dtype if weight.is_floating_point() else torch.bfloat16
    # A product forwards, and one for the gradient of its input; what is frozen has no gradient of its own.
    seconds = tokens * 4 * _weights(model) / (EAGER_SHARE * product_rate(weight.device, dtype))
    return seconds * GAIN > COMPILING_SECONDS


def _weights(model: nn.Module) -> int:
    """Those of all linear layers, the adapters' left out."""
    total = 0
    for name, module in model.named_modules():
        if hasattr(module, "in_features") and not isinstance(module, LoraLayer) and "lora_" not in name:
            total += int(module.in_features) * int(module.out_features)
    return total


def product_rate(device: torch.device, dtype: torch.dtype, size: int = 1024) -> float:
    """Floating-point operations a second of square products, the best of a few."""
    left, right = (torch.ones(size, size, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        float((left @ right)[0, 0])  # waits for an accelerator
        best = min(best, time.perf_counter() - start)
    return 2.0 * size**3 / best


def compiler_fault(device: torch.device) -> str | None:
    """Why torch.compile does not work on this machine, as the end of a sentence; None where it does.

    Tried on a small function: compilers without their headers are there and of no use.
    """
    if device.type == "cuda" and not importlib.util.find_spec("triton"):
        return "the package triton is not installed"
    try:
        torch.compile(lambda x: x.sin() * x.cos(), dynamic=True)(torch.ones(64, device=device))
    except torch._dynamo.exc.TorchDynamoException as error:
        return f"the compiler fails: {str(error).splitlines()[0]}"
    return None
