"""What an adapter reads need not be kept for its gradient: norms and gates keep what it was made of."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from torch import Tensor


class Kind(IntEnum):
    """As in lowrank.cpp: what an adapter reads, of tensors that are kept for the gradient anyway."""

    PLAIN = 0
    """Itself."""
    NORMED = 1
    """The norm's input, its weight in float32, and the factor of each row."""
    BY_SILU = 2
    """Gate and up, …"""
    BY_GELU = 3
    """… for either activation."""


class Source(NamedTuple):
    """What an adapter reads, and need not be kept."""

    kind: Kind
    tensors: tuple[Tensor, ...]


_SOURCE = "_modelforge_source"


def made(x: Tensor, kind: Kind, *tensors: Tensor) -> Tensor:
    """``x``, which knows from now on what it was made of; not on a GPU, where nobody asks."""
    if x.device.type == "cpu":
        setattr(x, _SOURCE, Source(kind, tuple(each.detach() for each in tensors)))
    return x


def source(x: Tensor) -> Source:
    """What ``x`` was made of, where it knows; else ``x`` itself."""
    return getattr(x, _SOURCE, None) or Source(Kind.PLAIN, (x.detach(),))
