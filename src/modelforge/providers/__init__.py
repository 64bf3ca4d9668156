"""Where models come from. A new provider is one file here and one line in ``PROVIDERS``."""

from __future__ import annotations

from modelforge.providers.base import Provider
from modelforge.providers.huggingface import HuggingFace
from modelforge.providers.unsloth import Unsloth
from modelforge.registry import Registry

PROVIDERS: Registry[Provider] = Registry(
    "provider",
    HuggingFace(),
    Unsloth(),
)
