"""A job in a database of its own, whose worker is the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modelforge.contracts.base import now
from modelforge.contracts.job import DatasetRef, JobState, ModelRef, RunSpec
from modelforge.contracts.training import TrainingConfig
from modelforge.jobs.ledger import Ledger
from modelforge.store.database import Database
from modelforge.store.jobs import get_job, list_metrics, newest_events
from modelforge.store.tables import JobRow

JOB = "train_test"


class Run:
    """A job whose worker is this test."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'test.db'}")
        self.ledger = Ledger(self.database, folder)
        self.folder = folder / JOB
        self.folder.mkdir()
        self.output = folder / "model"
        self.output.mkdir()
        (self.output / "weights").write_bytes(bytes(2_000_000))
        config = TrainingConfig(
            task="text-generation",
            model_name="base",
            dataset="d.jsonl",
            per_device_train_batch_size=2,
            learning_rate=0.1,
        )
        spec = RunSpec(
            job_id=JOB, name="made", created_at=now(), config=config, device="cpu",
            dataset=DatasetRef(name="d.jsonl", path="/d", sha256="0", num_examples=10, shape="input_output"),
            model=ModelRef(name="base", source="folder", path="/b"), output_dir=str(self.output),
            modelforge_version="0",
        )  # fmt: skip
        (self.folder / "spec.json").write_text(spec.model_dump_json())
        self.ledger.add(
            JobRow(
                id=JOB,
                name="made",
                status="queued",
                task="text-generation",
                strategy="sft",
                provider="huggingface",
                model_name="base",
                dataset="d.jsonl",
                config={},
                token="t",
                created_at=now(),
            )
        )
        self.ledger.enter(JOB, JobState.STARTING, "Starting")

    def say(self, text: str | bytes) -> None:
        with (self.folder / "events.jsonl").open("ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def event(self, kind: str, attempt: int = 1, **values: Any) -> None:
        self.say(
            json.dumps({"v": 1, "line": 1, "attempt": attempt, "kind": kind, "at": now().isoformat(), **values}) + "\n"
        )

    def job(self) -> JobRow:
        with self.database.session() as session:
            return get_job(session, JOB)

    def metrics(self) -> list[dict[str, Any]]:
        with self.database.session() as session:
            return [point.model_dump(exclude_none=True) for point in list_metrics(session, JOB, None, 0)[0]]

    def said(self) -> list[str]:
        with self.database.session() as session:
            return [event.text for event in newest_events(session, JOB)]
