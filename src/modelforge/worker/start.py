"""What a run started from, put in the place of what was trained, to be measured on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft import PeftModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel

START = "start"


@contextmanager
def as_it_was(model: PreTrainedModel, start: Path | None, load_start: Callable[[], PreTrainedModel]) -> Iterator[None]:
    """Within, ``model`` is what the run started from.

    A new adapter is turned off; ``start`` is the folder of one that the run started from. Where all weights were tuned,
    those of ``load_start`` change places with them.
    """
    if not isinstance(model, PeftModel):
        with _swapped(model, load_start()):
            yield
    elif start is None:
        with model.disable_adapter():
            yield
    else:
        active = model.active_adapter
        model.load_adapter(str(start), START)
        model.set_adapter(START)
        try:
            yield
        finally:
            model.set_adapter(active)
            model.delete_adapter(START)


@contextmanager
def _swapped(model: PreTrainedModel, other: PreTrainedModel) -> Iterator[None]:
    _swap(model, other)
    try:
        yield
    finally:
        _swap(model, other)


def _swap(model: PreTrainedModel, other: PreTrainedModel) -> None:
    others: dict[str, Any] = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.data, others[name].data = others[name].data, parameter.data
