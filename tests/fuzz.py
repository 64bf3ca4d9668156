"""How often a property is tried: some hundred times among the tests, 100 000 times by ``make fuzz``, and so many times
as ``FUZZ`` says where it is a number."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

ASKED = os.environ.get("FUZZ", "")
EXAMPLES = 100_000 if ASKED == "full" else int(ASKED or 0)
"""0 among the tests: each has a number of its own there."""

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzzed(examples: int) -> Callable[[Test], Test]:
    """A test of a property, with so many examples where not all are asked for."""
    # A folder or a server outlives an example here, on purpose.
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    chosen = settings(max_examples=EXAMPLES or examples, deadline=None, suppress_health_check=quiet)

    def decorate(test: Test) -> Test:
        marked: Test = pytest.mark.fuzz(chosen(test))
        return marked

    return decorate
