"""The product from Python: the same contract as over HTTP, on a server that runs, or without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modelforge.cli.client import connect
from modelforge.cli.configfile import absolute_paths
from modelforge.cli.streaming import streamed
from modelforge.contracts.dataset import DatasetUploaded
from modelforge.contracts.job import OPEN_STATES, JobDetail, TrainingStarted
from modelforge.contracts.model import ModelDetail, ModelList, ModelSummary
from modelforge.contracts.playground import GenerateReply
from modelforge.errors import Fault, NotFound, did_you_mean
from modelforge.settings import load_settings

POLL_SECONDS = 0.25


class ModelForge:
    """A home folder with its datasets, runs and models. A context manager::

        with ModelForge() as forge:
            job = forge.train(task="text-generation", model_name="modelforge-starter", dataset="my.jsonl")
            print(job.metrics, forge.generate(job.name, "When do you open?").generated_text)

    Where a server runs on the folder, it does the work; else this process does, under the same lock. Everything that
    is refused raises the class of ``modelforge.errors`` that the API would answer with.
    """

    def __init__(self, home: str | Path | None = None) -> None:
        """``home`` is the folder; by default that of the settings (``MODELFORGE_HOME``, or ``~/.modelforge``)."""
        self._settings = load_settings(home=Path(home) if home is not None else None)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._client = self._stack.enter_context(connect(self._settings, supervise=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def upload(self, *paths: str | Path, **options: Any) -> DatasetUploaded:
        """Check a file of rows, or several that make one dataset, and keep it; its ``filename`` is what a training
        names. ``options`` are those of ``ReadOptions``."""
        return self._client.upload("/api/upload_dataset", [Path(path) for path in paths], DatasetUploaded, **options)

    def train(self, *, progress: Callable[[JobDetail], object] | None = None, **config: Any) -> JobDetail:
        """Train by the fields of the training configuration, to the end; ``progress`` is called when something changed.

        Relative paths are this process's. Raises what a start is refused with, and Fault where the run did not
        complete; what it left can be resumed.
        """
        config = config if self._client.elsewhere else absolute_paths(config)
        started = self._client.post("/api/start_training", TrainingStarted, config)
        seq = -1
        while True:
            job = self._client.get(f"/api/jobs/{started.job_id}", JobDetail)
            if progress is not None and job.seq != seq:
                progress(job)
            seq = job.seq
            if job.status not in OPEN_STATES:
                break
            time.sleep(POLL_SECONDS)
        if job.model_id is None:
            raise Fault(f"job {job.id} is {job.status}: {job.error or job.message}")
        return job

    def models(self) -> list[ModelSummary]:
        """The trained models, oldest first."""
        return self._client.get("/api/models", ModelList).models

    def model(self, name: str) -> ModelDetail:
        """A trained model with its settings, metrics and lineage. Raises NotFound."""
        by_name = {model.name: model.id for model in self.models()}
        if name not in by_name:
            raise NotFound(f"there is no trained model '{name}'.{did_you_mean(name, by_name)}")
        return self._client.get(f"/api/models/{by_name[name]}", ModelDetail)

    def generate(self, model: str, prompt: str, **options: Any) -> GenerateReply:
        """Ask a model, trained or not, by its name; ``options`` are the other fields of the playground's request."""
        request = {"model_name": model, "prompt": prompt, **options}
        return self._client.post("/api/playground/generate", GenerateReply, request)

    def stream(self, model: str, prompt: str, **options: Any) -> Iterator[str]:
        """The answer's text in pieces, as it is written. Left early and closed, it ends the generation."""
        with closing(streamed(self._client, {"model_name": model, "prompt": prompt, **options})) as answer:
            yield from (piece for piece in answer if isinstance(piece, str))
