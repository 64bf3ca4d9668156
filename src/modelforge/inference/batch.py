"""Requests that one model answers together, a token of each at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch

from modelforge.inference.decoder import Decoder
from modelforge.inference.sampling import Sampler

MOST = 8
"""Requests that run together. A pass over eight rows takes little longer than one over a single row."""
REMEMBERED = 4
"""Rows that are made to keep earlier prompts in, where there is memory for them."""
SHORTEST = 256
"""Tokens that a row has room for to begin with; it doubles as it fills."""
PIECE = 512
"""Prompt tokens that are taken in at once, padding included; between two pieces the others get their next token."""
SHARED = 64
"""Tokens that two prompts begin with before one waits for the other to have read them: fewer are read sooner twice."""

FinishReason = Literal["stop", "length", "timeout"]


@dataclass(frozen=True)
class Generation:
    """What one request generated."""

    ids: list[int]
    """New tokens, the end token left out."""
    finish_reason: FinishReason


@dataclass(eq=False)
class Turn:
    """One request while it is answered."""

    prompt: list[int]
    sampler: Sampler
    end_ids: frozenset[int]
    longest: int
    """New tokens after which it ends."""
    started: float
    """By ``time.monotonic``."""
    deadline: float
    """By ``time.monotonic``."""
    cancelled: Callable[[], bool]
    """Asked between two tokens."""
    ids: list[int] = field(default_factory=list)
    """What was generated so far, an end token left out."""
    generation: Generation | None = None
    """The result; None while it runs, and for ever where it was cancelled."""

    def take(self, token: int) -> bool:
        """Add a token; whether the request is over."""
        if token in self.end_ids:
            return self._end("stop")
        self.ids.append(token)
        if len(self.ids) >= self.longest:
            return self._end("length")
        return self.is_late()

    def is_late(self) -> bool:
        """Whether the request is over, by the clock."""
        return time.monotonic() >= self.deadline and self._end("timeout")

    def _end(self, reason: FinishReason) -> bool:
        self.generation = Generation(self.ids, reason)
        return True


@dataclass
class _Row:
    """What a row of the cache holds."""

    tokens: list[int] = field(default_factory=list)
    turn: Turn | None = None
    used: int = 0
    """When it was used last, as a number that grows."""


class Batch:
    """The requests to one model. Rows that write come first, then those that read their prompts, then what is
    remembered of earlier requests."""

    def __init__(self, decoder: Decoder, room: Callable[[int, bool], bool]) -> None:
        """``room`` says whether there are so many bytes more; where the second argument is true, what else is in
        memory makes way for them."""
        self._decoder = decoder
        self._slots = decoder.slots
        self._room = room
        self._rows = [_Row() for _ in range(self._slots.rows)]
        self._writing = 0
        self._clock = 0

    @property
    def size(self) -> int:
        """Bytes of the cache."""
        return self._slots.size

    @property
    def running(self) -> int:
        """Requests that are not over."""
        return sum(row.turn is not None for row in self._rows)

    @property
    def is_open(self) -> bool:
        """Whether another request can begin."""
        return self.running < MOST

    @torch.inference_mode()
    def admit(self, turn: Turn) -> bool:
        """Begin with a request, or say that there is no place for it now. Alone it always gets one."""
        if not self.is_open:
            return False
        running = self.running
        if running and not self._room(self._growth(len(turn.prompt) + 1), True):
            return False
        best = max(range(len(self._rows)), key=lambda at: self._common(at, turn), default=None)
        common = self._common(best, turn) if best is not None else 0
        place = self._place(best if common else None)
        if place is None:
            return False
        target = self._rows[place]
        if best is not None and common and best != place:
            self._slots.copy(best, place, common)
        target.tokens = turn.prompt[:common]
        target.turn = turn
        self._swap(place, running)
        return True

    @torch.inference_mode()
    def step(self) -> list[Turn]:
        """A piece of the prompts and a token for each request that writes; the requests that are over by then."""
        over = self._read() + self._write()
        for at in reversed(range(len(self._rows))):
            if self._rows[at].turn in over:
                self._leave(at)
        return over

    def drop(self) -> list[Turn]:
        """Forget everything, after a failure; the requests that were running."""
        running = [row.turn for row in self._rows if row.turn is not None]
        self._rows, self._writing = [], 0
        self._slots.resize(0, 0)
        return running

    def _read(self) -> list[Turn]:
        reading = [(row, row.turn) for row in self._rows[self._writing : self.running] if row.turn is not None]
        over = [turn for _, turn in reading if turn.cancelled() or turn.is_late()]
        if not reading or over:  # which leave before the others go on
            return over
        self._inherit(reading)
        starts = [len(row.tokens) for row, _ in reading]
        prompts = [turn.prompt for _, turn in reading]
        ready = next((at for at in range(1, len(prompts)) if _awaits(prompts[at], starts[at], prompts[:at])), None)
        pieces = [prompt[start:][:PIECE] for start, prompt in zip(starts, prompts, strict=True)][:ready]
        rows = _together(starts, pieces)
        starts, pieces = starts[:rows], pieces[:rows]
        self._hold(max(starts) + max(map(len, pieces)))
        logits = self._decoder.read(self._writing, starts, pieces)
        first = self._writing
        for at, ((row, turn), piece, mine) in enumerate(zip(reading, pieces, logits, strict=False), first):
            row.tokens = row.tokens + piece
            if len(row.tokens) == len(turn.prompt):
                if turn.take(turn.sampler.draw(mine)):
                    over.append(turn)
                self._swap(at, self._writing)
                self._writing += 1
        return over

    def _inherit(self, reading: list[tuple[_Row, Turn]]) -> None:
        """Give to prompts what others that begin alike have read by now."""
        for at, (row, turn) in enumerate(reading, self._writing):
            common, best = max((self._common(other, turn), other) for other in range(self.running))
            if common > len(row.tokens):
                self._slots.copy(best, at, common)
                row.tokens = turn.prompt[:common]

    def _write(self) -> list[Turn]:
        pairs = [(row, row.turn) for row in self._rows[: self._writing] if row.turn is not None]
        over = [turn for _, turn in pairs if turn.generation is None and turn.cancelled()]
        if all(turn.generation is not None or turn in over for _, turn in pairs):
            return over
        self._hold(max(len(row.tokens) for row, _ in pairs) + 1)
        # Those that are over go along in this pass: taking them out first would move the others' rows once more.
        tokens = [(turn.ids or turn.prompt)[-1] for _, turn in pairs]
        logits = self._decoder.step(tokens, [len(row.tokens) for row, _ in pairs])
        best = logits.argmax(-1).tolist()
        for (row, turn), token, likeliest, mine in zip(pairs, tokens, best, logits, strict=True):
            if turn.generation is None and turn not in over:
                row.tokens.append(token)
                if turn.take(likeliest if turn.sampler.greedy else turn.sampler.draw(mine)):
                    over.append(turn)
        return over

    def _leave(self, at: int) -> None:
        """Take a request out of its row; the row remembers what it holds."""
        self._clock += 1
        self._rows[at].turn, self._rows[at].used = None, self._clock
        if at < self._writing:
            self._writing -= 1
            self._swap(at, self._writing)
            at = self._writing
        self._swap(at, self.running)  # behind those that read

    def _common(self, at: int, turn: Turn) -> int:
        """How many tokens of the prompt a row holds already; the last one is computed in any case, for what follows."""
        return min(_alike(self._rows[at].tokens, turn.prompt), len(turn.prompt) - 1)

    def _place(self, best: int | None) -> int | None:
        """The row for a new request, made if need be; ``best`` has the prompt's beginning."""
        idle = [at for at, row in enumerate(self._rows) if row.turn is None]
        if not idle:
            return self._added(evict=True)
        if best in idle:
            return best
        least = min(idle, key=lambda at: self._rows[at].used)
        if self._rows[least].tokens and len(self._rows) < REMEMBERED:
            added = self._added(evict=False)
            return least if added is None else added
        return least

    def _added(self, *, evict: bool) -> int | None:
        """The first of some new rows; None where memory has no room for them."""
        count = len(self._rows)
        rows = max(1, min(2 * count, MOST))
        capacity = max(self._slots.capacity, SHORTEST)
        if count and not self._room((rows - count) * capacity * self._slots.token_bytes, evict):
            return None
        self._slots.resize(rows, capacity)
        self._rows += [_Row() for _ in range(rows - count)]
        return count

    def _hold(self, length: int) -> None:
        """See to it that a row can hold so many tokens."""
        more = self._growth(length)
        if not more and length <= self._slots.capacity:
            return
        if not self._room(more, True):
            # What is only remembered makes way; what runs must go on.
            self._rows = self._rows[: self.running]
        self._slots.resize(len(self._rows), self._capacity(length))

    def _growth(self, length: int) -> int:
        """Bytes that it takes to hold so many tokens in a row."""
        places = self._capacity(length) - self._slots.capacity
        return len(self._rows) * places * self._slots.token_bytes

    def _capacity(self, length: int) -> int:
        capacity = max(self._slots.capacity, SHORTEST)
        while capacity < length:
            capacity *= 2
        return capacity

    def _swap(self, one: int, other: int) -> None:
        if one != other:
            rows = self._rows
            self._slots.swap(one, other, max(len(rows[one].tokens), len(rows[other].tokens)))
            rows[one], rows[other] = rows[other], rows[one]


def _alike(one: list[int], other: list[int]) -> int:
    """How many tokens two sequences begin with."""
    most = min(len(one), len(other))
    return next((n for n in range(most) if one[n] != other[n]), most)


def _awaits(prompt: list[int], held: int, earlier: list[list[int]]) -> bool:
    """Whether one of the prompts before it is about to read what this one begins with."""
    return any(_alike(prompt, other) - held > SHARED for other in earlier)


def _together(starts: list[int], pieces: list[list[int]]) -> int:
    """How many pieces go through a model in one pass, of those that belong behind ``starts``. They are padded to the
    longest: so they are of about one length, no more tokens than one alone may have, and no row gets longer by it."""
    for rows in range(len(pieces), 1, -1):
        sizes = [len(piece) for piece in pieces[:rows]]
        ends = [start + size for start, size in zip(starts, sizes, strict=False)]
        width = max(sizes)
        if width * rows <= min(PIECE, 1.25 * sum(sizes)) and max(starts[:rows]) + width <= max(ends):
            return rows
    return 1
