"""Those who are timed: ModelForge through its own command line and server, and the others as scripts of their own.

Seconds are counted from the first step's start to the last step's end, on every side: what is compiled then counts,
loading and tokenizing do not, and neither do ModelForge's evaluation and checkpoint, which come after the last step.
Memory is that of the process that trains. The first step's time counts from the start of a peer's process, and from the
request that reached ModelForge.

Each run is a process that starts from nothing. ModelForge's home folder is new each time, and so is the cache of what
torch compiled, unless ``keep_caches``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.product import Product
from benchmarks.speed import models, rows
from benchmarks.speed.cases import ANSWER_TOKENS, EVAL_SPLIT, GENERATIONS, Case, Rival, Unit
from benchmarks.speed.machine import ROOT, allocators
from benchmarks.speed.peers.order import Order
from modelforge.catalogue import ASSETS
from modelforge.environments import foreign_environment
from modelforge.processes import kill_tree

SEED = 42
LOOK_EVERY = 2.0
"""Seconds between two looks at what a process has loaded."""
PROMPT_TOKENS, NEW_TOKENS, ROUNDS = 64, 128, 3
"""Of decoding; a round before these warms up."""


INSTALL = {
    "llama-factory": "make .venv-llamafactory/.installed",
    "unsloth": "modelforge providers install unsloth",
}


class Failed(Exception):
    """A run did not come to its end; says why."""


@dataclass(frozen=True)
class Measured:
    """What one run came to."""

    tokens: float
    seconds: float
    steps: int
    memory_mb: float | None = None
    """The most, in units of 1 000 000 bytes."""
    first_step_s: float | None = None
    """From the start of the process, or the request, to the first step's end."""
    allocator: str = ""
    """That was loaded beside the C library's; empty for none."""
    threads: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    estimated_mb: float | None = None
    """What ModelForge thought that would be, before the run."""

    def speed(self, unit: Unit) -> float:
        """Tokens a second, or steps."""
        return (self.tokens if unit == "tokens" else self.steps) / self.seconds


@dataclass
class Bench:
    """Makes what a case needs, once, and runs who takes part in it."""

    folder: Path
    gpu: bool
    pythons: Mapping[str, Path]
    """The interpreters of the environments beside our own."""
    steps: int | None = None
    """Instead of the cases' own."""
    peer_steps: int | None = None
    """The same for the others alone: they are as fast from the second step on as they ever get."""
    model: str | None = None
    """Instead of the decoders of the cases."""
    keep_caches: bool = False
    _runs: int = 0

    def ours(self, case: Case) -> Measured:
        """ModelForge. Raises Failed."""
        self._runs += 1
        home = self.folder / ("home" if self.keep_caches else f"home-{self._runs}")
        if not self.keep_caches:
            shutil.rmtree(home, ignore_errors=True)  # of a benchmark in the same folder that was killed
        try:
            return self._decode(case, home) if case.decode else self._train(case, home)
        finally:
            if not self.keep_caches:
                shutil.rmtree(home, ignore_errors=True)

    def rival(self, case: Case, rival: Rival) -> Measured:
        """One of the others. Raises Failed."""
        self._runs += 1
        python = Path(sys.executable)
        environment = dict(os.environ)
        if rival.environment != "own":
            python = self.pythons[rival.environment]
            if not python.exists():
                raise Failed(
                    f"its environment is not installed: there is no {python}. {INSTALL[rival.environment]} makes it"
                )
            environment = foreign_environment(environment)
        output = self.folder / f"peer-{self._runs}"
        order = Order(
            model=str(self._model(case)),
            data=str(self.data(case)),
            output=str(output),
            requested_at=time.time(),
            steps=self.peer_steps or self.steps_of(case),
            batch=case.batch,
            accumulation=case.accumulation,
            learning_rate=case.learning_rate,
            seed=SEED,
            gpu=self.gpu,
            quantized=case.quantized,
            reward_model=str(self._reward_model(case)) if case.reward_model else None,
            generations=GENERATIONS,
            answer_tokens=NEW_TOKENS if case.decode else ANSWER_TOKENS,
        )
        file = self.folder / f"order-{self._runs}.json"
        order.write(file)
        command = [str(python), "-m", f"benchmarks.speed.peers.{rival.module}", str(file)]
        try:
            said, allocator = self._run(command, environment, f"{case.name}-{rival.module}")
        finally:
            shutil.rmtree(output, ignore_errors=True)
        return Measured(
            tokens=said["train_tokens"],
            seconds=said["train_seconds"],
            steps=said["train_steps"],
            memory_mb=None if case.decode else said["peak_memory_mb"],
            first_step_s=said.get("time_to_first_step_s"),
            allocator=allocator,
            threads=said["threads"],
            versions=said["versions"],
        )

    def limit(self, case: Case) -> dict[str, float]:
        """GFLOP/s by type, of the products of a case's model."""
        device = "cuda" if self.gpu else "cpu"
        command = [sys.executable, "-m", "benchmarks.speed.gemm", self.shape(case), device]
        return self._run(command, dict(os.environ), f"{case.name}-limit")[0]

    def named(self, case: Case) -> Case:
        """The case, called after the model that it is run with where that is another than its own."""
        own = self.shape(case)
        return case if own == case.model else replace(case, name=f"{case.name}-with-{own}")

    def steps_of(self, case: Case) -> int:
        return self.steps or case.steps

    def shape(self, case: Case) -> str:
        """The name of the model that a case is run with."""
        return self.model if self.model and isinstance(models.MODELS.get(case.model), models.Llama) else case.model

    def data(self, case: Case) -> Path:
        """The file of the case's rows."""
        if case.data not in rows.KINDS:
            return ASSETS / "datasets" / case.data
        if case.decode:
            count = case.decode * (ROUNDS + 1)
            file = self.folder / f"prompts-{count}.jsonl"
            return rows.write(rows.prompts(count, PROMPT_TOKENS, SEED), file)
        count = case.rows(self.steps_of(case))
        file = self.folder / f"{case.data}-{count}.jsonl"
        return rows.write(rows.KINDS[case.data](count, SEED), file)

    def _model(self, case: Case) -> Path | str:
        if case.model not in models.MODELS:
            return case.model
        return models.make(self.shape(case), self.folder)

    def _reward_model(self, case: Case) -> Path:
        return models.make(f"{self.shape(case)}-reward", self.folder)

    def _train(self, case: Case, home: Path) -> Measured:
        steps = self.steps_of(case)
        settings = {
            "task": case.task,
            "strategy": case.strategy,
            "model_name": str(self._model(case)),
            "dataset": str(self.data(case)),
            "lora_r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.0,
            "learning_rate": case.learning_rate,
            "max_steps": steps,
            "per_device_train_batch_size": case.batch,
            "gradient_accumulation_steps": case.accumulation,
            "eval_split": EVAL_SPLIT,
            # Both come after the last step, where the clock has stopped.
            "eval_steps": steps,
            "save_steps": steps,
            "max_eval_samples": 1,
            "seed": SEED,
            "name": f"{case.name}-{self._runs}",
            **case.settings,
            **({"reward_model": str(self._reward_model(case))} if case.reward_model else {}),
        }
        file = self.folder / f"{case.name}.json"
        file.write_text(json.dumps(settings), encoding="utf-8")
        environment = {**os.environ, "MODELFORGE_HOME": str(home)}
        environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(home / "compiled"))
        command = [sys.executable, "-m", "modelforge", "train", str(file), "--json"]
        job, allocator = self._run(command, environment, f"{case.name}-modelforge")
        metrics = job["metrics"]
        return Measured(
            tokens=metrics["train_tokens"],
            seconds=metrics["train_seconds"],
            steps=steps,
            memory_mb=metrics["peak_memory_mb"],
            estimated_mb=metrics.get("estimated_memory_mb"),
            first_step_s=metrics.get("time_to_first_step_s"),
            allocator=allocator,
        )

    def _decode(self, case: Case, home: Path) -> Measured:
        assert case.decode is not None
        model = str(self._model(case))
        prompts = [json.loads(line)["prompt"] for line in self.data(case).read_text(encoding="utf-8").splitlines()]
        tokens, seconds = 0, 0.0
        with Product(home) as product, ThreadPoolExecutor(case.decode) as threads:

            def ask(prompt: str) -> int:
                reply = product.generate(model, prompt, max_new_tokens=NEW_TOKENS, timeout=600)
                return int(reply["tokens_generated"])

            for at in range(0, len(prompts), case.decode):
                began = time.monotonic()
                said = sum(threads.map(ask, prompts[at : at + case.decode]))
                if at > 0:  # the first round loads the model
                    seconds += time.monotonic() - began
                    tokens += said
            loaded = ", ".join(sorted(allocators(product.pid)))
        return Measured(tokens, seconds, ROUNDS, allocator=loaded)

    def _run(self, command: Sequence[str], environment: Mapping[str, str], name: str) -> tuple[dict[str, Any], str]:
        """The document on the last line that a command prints, and the allocator that it or its workers loaded.

        Raises Failed with the last lines of what it said. All of that is kept in the folder ``logs``.
        """
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        out, err = (logs / f"{self._runs:03}-{name}.{kind}" for kind in ("out", "err"))
        offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_VERSION_CHECK": "1"}
        seen: set[str] = set()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(command, cwd=ROOT, env={**environment, **offline}, stdout=stdout, stderr=stderr)
            while True:
                try:
                    code = process.wait(LOOK_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    seen |= allocators(process.pid)
                except BaseException:
                    kill_tree(process.pid)  # ModelForge's worker is in a session of its own, and would go on
                    raise
        said = out.read_text(encoding="utf-8", errors="replace").splitlines()
        if code != 0 or not said:
            last = [line for line in err.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            raise Failed(f"it ended with {code}: {last[-1].strip() if last else 'it said nothing'} (see {err})")
        document: dict[str, Any] = json.loads(said[-1])
        return document, ", ".join(sorted(seen))
