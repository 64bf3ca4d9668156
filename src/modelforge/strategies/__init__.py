"""The ways of training. A new strategy is one file here and one line in ``STRATEGIES``."""

from __future__ import annotations

from modelforge.registry import Registry
from modelforge.strategies.base import Strategy
from modelforge.strategies.dpo import Dpo
from modelforge.strategies.qlora import QLora
from modelforge.strategies.rlhf import Rlhf
from modelforge.strategies.sft import Sft

STRATEGIES: Registry[Strategy] = Registry("strategy", Sft(), QLora(), Rlhf(), Dpo())
