"""Orders while they are carried out: those to one model together, those to another after them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from modelforge.errors import InferenceFault, ModelForgeError
from modelforge.inference.batch import Batch, Turn
from modelforge.inference.engine import Cancelled, answer, begin, reply, speech_of
from modelforge.inference.protocol import Answered, Generate, Loaded, Piece, Started
from modelforge.inference.shelf import LoadedModel, Shelf
from modelforge.inference.speech import Speech
from modelforge.pipe import Refused, Report


@dataclass(frozen=True)
class _Answer:
    """An order, and what is said of its answer meanwhile."""

    order: Generate
    speech: Speech


class Floor:
    """What runs now: one model, and the orders that it answers."""

    def __init__(self, shelf: Shelf, tell: Callable[[Report], None], is_wanted: Callable[[int], bool]) -> None:
        """``tell`` sends a report; ``is_wanted`` says whether anybody still waits for an order."""
        self._shelf = shelf
        self._tell = tell
        self._is_wanted = is_wanted
        self._model: LoadedModel | None = None
        self._batch: Batch | None = None
        self._running: dict[Turn, _Answer] = {}
        self._is_full = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def take(self, order: Generate) -> bool:
        """Begin with an order, or say that it has to wait for those that run.

        One that runs with others must be for the same model: loading another would use up their timeouts.
        """
        if self.is_empty:
            self._tell(Started(id=order.id))
            self.begin(order)
            return True
        joined = True
        with self._refusing([order], begun=False):
            joined = self._join(order)
        return joined

    def begin(self, order: Generate) -> None:
        """Begin with an order that was said to be started, and nothing runs; end it where its model has no batch."""
        with self._refusing([order]):
            model = self._shelf.get(order.target)
            self._tell(Loaded(id=order.id))
            if model.batch is None:
                given_up, say = self._given_up(order), self._say(order)
                made = answer(model, order.target, order.request, order.timeout, given_up, say)
                self._tell(Answered(id=order.id, reply=made))
                return
            turn = begin(model, order.target, order.request, order.timeout, self._given_up(order))
            model.batch.admit(turn)
            self._model, self._batch = model, model.batch
            self._running[turn] = self._answer(model, turn, order)

    def step(self) -> None:
        """A token for everything that runs; reports on what is over by then."""
        model, batch = self._model, self._batch
        if model is None or batch is None:
            return
        over: list[Turn] | None = None
        with self._refusing([each.order for each in self._running.values()]):
            over = batch.step()
        if over is None:
            batch.drop()
            self._running.clear()
        for turn in over or ():
            self._is_full = False
            ended = self._running.pop(turn)
            with self._refusing([ended.order]):
                made = reply(model, turn)
                ended.speech.end(made.generated_text)
                self._tell(Answered(id=ended.order.id, reply=made))
        for turn, writing in self._running.items():
            writing.speech.hear(turn.ids)
        if not self._running:
            # Nothing refers to a model that was evicted while it answered.
            self._model = self._batch = None

    def _join(self, order: Generate) -> bool:
        model, batch = self._model, self._batch
        assert model is not None
        assert batch is not None
        if self._is_full or not batch.is_open or not self._shelf.holds(order.target, model):
            return False
        turn = begin(model, order.target, order.request, order.timeout, self._given_up(order))
        if not batch.admit(turn):
            self._is_full = True
            return False
        self._tell(Started(id=order.id))
        self._tell(Loaded(id=order.id))
        self._running[turn] = self._answer(model, turn, order)
        return True

    def _answer(self, model: LoadedModel, turn: Turn, order: Generate) -> _Answer:
        return _Answer(order, speech_of(model, turn.prompt, self._say(order)))

    def _say(self, order: Generate) -> Callable[[str], None] | None:
        return (lambda text: self._tell(Piece(id=order.id, text=text))) if order.pieces else None

    def _given_up(self, order: Generate) -> Callable[[], bool]:
        return lambda: not self._is_wanted(order.id)

    @contextmanager
    def _refusing(self, orders: list[Generate], *, begun: bool = True) -> Iterator[None]:
        """Within, what goes wrong is the answer to those who wait for these orders; nobody does where one was
        cancelled. ``begun`` says whether they know that theirs were started."""
        try:
            yield
        except Cancelled:
            pass
        except Exception as error:  # noqa: BLE001 - the edge of all that models do: the process outlives it
            if isinstance(error, torch.OutOfMemoryError):
                self._shelf.clear()
            for order in orders:
                kind, detail = _explained(order, error)
                if not begun:
                    self._tell(Started(id=order.id))
                self._tell(Refused(id=order.id, error=kind, detail=detail))


def _explained(order: Generate, error: Exception) -> tuple[str, str]:
    """The class of our own error, and what it says."""
    if isinstance(error, ModelForgeError):
        return type(error).__name__, error.detail
    if isinstance(error, torch.OutOfMemoryError):
        return InferenceFault.__name__, (
            f"the accelerator's memory is too small or too full to generate with {order.target.path}: {error}. "
            "End what else uses it, shorten the prompt, or use a smaller model."
        )
    traceback.print_exception(error)
    return InferenceFault.__name__, f"{type(error).__name__}: {error}"
