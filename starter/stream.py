"""The endless training stream: documents of tokens with loss weights, packed into rows."""

import random
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from starter import tokenizer as vocabulary
from starter.corpus import passages, stories
from starter.corpus.example import Example
from starter.corpus.mixture import shares, train_example

ROW = 256
LONG_ROW = 1024
# Questions are learnt too, so that their words are known, but answers matter.
QUESTION_WEIGHT = 0.2
TEXT_WEIGHT = 0.4
SPLIT_SHARE, SPLIT_CHANCE = 0.3, 0.15
_SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "Answer briefly.", "You are a friendly little helper.", "Answer in plain English.",
    "You help customers.", "Be polite and short.", "You are a careful assistant who answers questions.",
)  # fmt: skip


@dataclass
class Document:
    """Tokens and, for each, the weight of predicting it (0: not learnt)."""

    tokens: list[int]
    weights: list[float]

    def add(self, tokens: list[int], weight: float) -> None:
        """Append tokens of one weight."""
        self.tokens += tokens
        self.weights += [weight] * len(tokens)


@dataclass(frozen=True)
class Batch:
    """Packed rows; each array is (rows, length). Documents are numbered from 1 in their row; 0 is padding."""

    inputs: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    documents: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]


class Stream:
    """Documents drawn by one random generator, so a seed fixes the whole training data."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int, favoured: Collection[str] = ()) -> None:
        self._shares = shares(favoured)
        self.rng = random.Random(seed)
        self.size = len(tokenizer)
        self.pad, self.end, self.system, self.user, self.assistant = (
            vocabulary.number(tokenizer, token) for token in vocabulary.SPECIALS
        )
        self._encode = tokenizer.backend_tokenizer.encode
        self._splits = vocabulary.splits(tokenizer.backend_tokenizer.to_str())
        self.occurrences = np.zeros(self.size, dtype=np.int64)
        self._waiting: list[Document] = []

    def encode(self, text: str, split: bool = False) -> list[int]:
        """The text's tokens; with `split`, some are broken back into the two they were merged from, as BPE dropout does."""
        tokens: list[int] = self._encode(text, add_special_tokens=False).ids
        if not split:
            return tokens
        pending, result = tokens[::-1], []
        while pending:
            token = pending.pop()
            if token in self._splits and self.rng.random() < SPLIT_CHANCE:
                left, right = self._splits[token]
                pending += [right, left]
            else:
                result.append(token)
        return result

    def _splitting(self) -> bool:
        """Whether the next text has some of its tokens split."""
        return self.rng.random() < SPLIT_SHARE

    def turn(self, document: Document, example: Example, split: bool) -> None:
        """Append a question with its answer in the form of the chat template."""

        document.add([self.user, *self.encode(example.question, split), self.end, self.assistant], QUESTION_WEIGHT)
        document.weights[-1] = 0.0
        document.add([*self.encode(example.answer, split), self.end], 1.0)

    def _random_tokens(self, count: int) -> list[int]:
        """Any tokens but the chat's marks, all equally likely: this trains the rarest of them, padding included."""
        marks = len(vocabulary.SPECIALS)
        drawn = (self.rng.randrange(marks - 1, self.size) for _ in range(count))
        return [token if token >= marks else self.pad for token in drawn]

    def chat(self, turns: int) -> Document:
        """A conversation, sometimes with a system prompt, sometimes with the passage in the system prompt.

        Passages in system prompts and in plain text are not checked against the split: there are far too many
        different ones for a measured passage to turn up by chance.
        """
        document = Document([], [])
        roll = self.rng.random()
        if roll < 0.08:
            document.add([self.system, *self.encode(self.rng.choice(_SYSTEM_PROMPTS)), self.end], 0.0)
        elif roll < 0.11:
            text, questions = passages.passage(self.rng)
            document.add([self.system, *self.encode(text), self.end], QUESTION_WEIGHT)
            for wordings, answer in self.rng.sample(questions, min(2, len(questions))):
                self.turn(document, Example(passages.KIND, text, self.rng.choice(wordings), answer), self._splitting())
            return document
        for _ in range(turns):
            self.turn(document, train_example(self.rng, self._shares), self._splitting())
        return document

    def repeat(self, count: int) -> Document:
        """Random tokens twice, as plain text or as a chat; only the second time can be predicted."""
        tokens = self._random_tokens(count)
        document = Document([], [])
        if self.rng.random() < 0.5:
            document.add([*tokens, self.end], 0.0)
            document.add([*tokens, self.end], 1.0)
            document.weights[count + 1] = 0.0
        else:
            wording = self.rng.choice(("Repeat: ", "Copy this: ", "Echo: "))
            document.add([self.user, *self.encode(wording), *tokens, self.end, self.assistant], 0.0)
            document.add([*tokens, self.end], 1.0)
        return document

    def document(self) -> Document:
        """One document that fits a short row."""
        roll = self.rng.random()
        if roll < 0.78:
            return self.chat(1)
        if roll < 0.86:
            return self.chat(self.rng.randint(2, 4))
        if roll < 0.94:
            return self.repeat(self.rng.randint(2, 40))
        document = Document([], [])
        document.add(
            [*self.encode(stories.draw(self.rng, self.rng.randint(2, 8)), self.rng.random() < SPLIT_SHARE), self.end],
            TEXT_WEIGHT,
        )
        return document

    def long_document(self) -> Document:
        """One document of about a long row's length: a long chat, a long text or a long repeat."""
        roll = self.rng.random()
        if roll < 0.2:
            return self.repeat(self.rng.randint(200, LONG_ROW // 2 - 16))
        if roll < 0.4:
            document = Document([], [])
            document.add(self.encode(stories.draw(self.rng, 90)), TEXT_WEIGHT)
            return document
        document = self.chat(2)
        while len(document.tokens) < LONG_ROW:
            self.turn(document, train_example(self.rng, self._shares), self._splitting())
        return document

    def _place(self, batch: Batch, row: int, start: int, number: int, document: Document) -> int:
        """Write a document into a row, shortened to the room there; returns the position after it."""
        length = batch.inputs.shape[1]
        tokens = document.tokens[: length - start + 1]
        count, stop = len(tokens) - 1, start + len(tokens) - 1
        batch.inputs[row, start:stop] = tokens[:-1]
        batch.targets[row, start:stop] = tokens[1:]
        batch.weights[row, start:stop] = document.weights[1 : len(tokens)]
        batch.documents[row, start:stop] = number
        batch.positions[row, start:stop] = np.arange(count)
        self.occurrences += np.bincount(tokens, minlength=self.size)
        return stop

    def _empty(self, rows: int, length: int) -> Batch:
        shape = (rows, length)
        return Batch(
            np.full(shape, self.pad, np.int64),
            np.full(shape, self.pad, np.int64),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
        )

    def batch(self, rows: int) -> Batch:
        """So many short rows, filled with whole documents; what does not fit any more waits for the next batch."""
        batch = self._empty(rows, ROW)
        for row in range(rows):
            start, number = 0, 1
            while start < ROW - 8:
                fitting = next(
                    (i for i, waiting in enumerate(self._waiting) if len(waiting.tokens) <= ROW - start + 1), None
                )
                if fitting is not None:
                    document = self._waiting.pop(fitting)
                elif len(self._waiting) < 12:
                    document = self.document()
                    if len(document.tokens) > ROW:
                        document = Document(document.tokens[: ROW + 1], document.weights[: ROW + 1])
                    if len(document.tokens) > ROW - start + 1:
                        self._waiting.append(document)
                        continue
                else:
                    break
                start, number = self._place(batch, row, start, number, document), number + 1
        return batch

    def long_batch(self, rows: int) -> Batch:
        """So many long rows of one document each, which train the late positions."""
        batch = self._empty(rows, LONG_ROW)
        for row in range(rows):
            self._place(batch, row, 0, 1, self.long_document())
        return batch
