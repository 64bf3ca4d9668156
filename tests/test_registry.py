"""Registries refuse what is there twice, and name the nearest for what is not there."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from modelforge.errors import InvalidRequest
from modelforge.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str


def test_a_name_registers_once() -> None:
    registry = Registry("thing", Thing("one"), Thing("two"))
    for taken in ("one", "two"):
        with pytest.raises(ValueError, match=f"thing '{taken}' is registered already"):
            registry.register(Thing(taken))
    registry.register(Thing("three"))
    assert registry.names() == ["one", "two", "three"]


def test_what_is_not_there_is_said() -> None:
    registry = Registry("thing", Thing("one"), Thing("two"))
    assert registry.get("one") == Thing("one")
    with pytest.raises(InvalidRequest, match=r"thing 'onne' does not exist.*Did you mean 'one'"):
        registry.get("onne")
