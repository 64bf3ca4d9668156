"""The one kind of registry: names to variants, in the order of their registration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from modelforge.errors import InvalidRequest, did_you_mean


class Named(Protocol):
    """What can be registered."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Variants of one kind (``what``: strategy, task, provider, runner). A name registers once."""

    def __init__(self, what: str, *variants: T) -> None:
        self.what = what
        self._variants: dict[str, T] = {}
        for variant in variants:
            self.register(variant)

    def register(self, variant: T) -> None:
        """Add a variant; raises ValueError when its name is taken."""
        if variant.name in self.names():
            raise ValueError(f"{self.what} '{variant.name}' is registered already")
        self._variants[variant.name] = variant

    def get(self, name: str) -> T:
        """The variant of that name. Raises InvalidRequest that names the nearest where there is none."""
        if name in self._variants:
            return self._variants[name]
        hint = did_you_mean(name, self.names())
        raise InvalidRequest(f"{self.what} '{name}' does not exist; there are: {', '.join(self.names())}.{hint}")

    def names(self) -> list[str]:
        """All names, in the order of their registration."""
        return list(self._variants)

    def __iter__(self) -> Iterator[T]:
        return iter(self._variants.values())
