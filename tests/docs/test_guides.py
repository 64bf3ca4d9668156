"""What the guides tell their readers to do works as it stands there."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from modelforge.api.errors import BODIES
from modelforge.cli.app import app
from modelforge.contracts.training import TrainingConfig
from modelforge.datasets.formats import SHAPES
from modelforge.registry import Registry
from modelforge.strategies import STRATEGIES
from tests.docs.pages import DOCS, PAGES, ROOT, blocks
from tests.live import LiveServer, jsonl, rows, until

GUIDES = [page for page in PAGES if "reference" not in page.parts]


def run(script: str, folder: Path) -> str:
    """What a script prints that is run in a folder."""
    path = folder / "example.py"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, path.name], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_spreadsheet_becomes_a_dataset(tmp_path: Path) -> None:
    with (tmp_path / "faq.csv").open("w", encoding="utf-8-sig", newline="") as out:
        table = csv.writer(out)
        table.writerow(["question", "answer"])
        table.writerows([f"What is {i}?", f'It is "{i}",\nno more – änd no less.'] for i in range(12))
    command, *said = blocks(DOCS / "guide" / "first-run.md", "console")[0].splitlines()
    done = subprocess.run(
        [sys.executable, "-m", *command.removeprefix("$ ").split()],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.rstrip() for line in done.stdout.splitlines()] == said


def test_rows_of_every_shape_are_shown() -> None:
    page = (DOCS / "guide" / "data.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### `(\w+)`\n(.*?)^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _, _ in sections) == sorted(SHAPES.names())
    for name, _, lines in sections:
        shape, shown = SHAPES.get(name), [json.loads(line) for line in lines.splitlines()]
        assert [shape.problems(row) for row in shown] == [[]] * len(shown)
        assert {shape.form_of(row)[0] for row in shown} == set(shape.forms)


def test_the_whole_way_by_http_in_python(server: LiveServer, tiny_model: Path, tmp_path: Path) -> None:
    (script,) = blocks(DOCS / "guide" / "http.md", "python")
    script = script.replace("http://localhost:8000", server.url).replace("modelforge-starter", str(tiny_model))
    script = script.replace('"num_train_epochs": 60', '"num_train_epochs": 2')
    (tmp_path / "faq.jsonl").write_bytes(jsonl([*rows(12), {"input": "without an answer"}]))
    told = run(script, tmp_path)
    assert "left out: line 13: field 'output' is missing" in told
    assert re.search(r"^step \d+: loss \d", told, re.MULTILINE)
    assert re.search(r"^final loss \d", told, re.MULTILINE)


@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="there is no curl here")
def test_an_upload_in_pieces_by_curl(server: LiveServer, tmp_path: Path) -> None:
    """Begun, broken off, gone on with, and made a dataset."""
    (script,) = [code for code in blocks(DOCS / "guide" / "http.md", "bash") if "PATCH" in code]
    begin, send, make = script.replace("http://localhost:8000", server.url).split("\n\n")
    content = jsonl(rows(300))
    (tmp_path / "faq.jsonl").write_bytes(content)
    part = send.replace('tail -c "+$((offset + 1))" faq.jsonl', "head -c 1000 faq.jsonl")
    assert part != send
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([begin, part, send, make])],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    until(lambda: server.get("/api/operations")["operations"][0]["status"] == "completed", 30)
    assert Path(server.get("/api/datasets/faq.jsonl")["path"]).read_bytes() == content


def test_training_from_python(tiny_model: Path, tmp_path: Path) -> None:
    (script,) = blocks(DOCS / "guide" / "training.md", "python")
    script = script.replace("modelforge-starter", str(tiny_model)).replace("num_train_epochs=30", "max_steps=2")
    script = script.replace("ModelForge()", f"ModelForge({str(tmp_path / 'home')!r})")
    (tmp_path / "faq.jsonl").write_bytes(jsonl(rows(12)))
    assert "→" in run(script, tmp_path)


def test_the_websocket_listener_in_python(server: LiveServer, tiny_model: Path, tmp_path: Path) -> None:
    (script,) = blocks(DOCS / "reference" / "websocket.md", "python")
    config = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "max_steps": 5}
    job_id = server.post("/api/start_training", config)["job_id"]
    told = run(script.replace("ws://localhost:8000", server.url.replace("http", "ws", 1)), tmp_path)
    points = [line.split()[:2] for line in told.splitlines()]
    assert [job_id, "1"] in points
    assert [job_id, "5"] in points


def test_the_strategy_of_the_extending_guide(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from datasets import Dataset
    from modelforge.contracts.base import now
    from modelforge.contracts.job import DatasetRef, ModelRef, RunSpec
    from modelforge.strategies.base import Run
    from modelforge.tasks import TASKS
    from modelforge.tasks.base import Head
    from modelforge.worker.order import EpochOrder

    code, line = blocks(DOCS / "extending.md", "python")
    space: dict[str, Any] = {"__name__": "noisy"}
    exec(compile(code, "noisy.py", "exec"), space)
    known = {type(strategy).__name__: type(strategy) for strategy in STRATEGIES}
    exec(line, {**known, **space, "Registry": Registry, "Strategy": object}, space)
    strategy = space["STRATEGIES"].get("noisy")
    assert space["STRATEGIES"].names() == ["sft", "qlora", "rlhf", "dpo", "noisy"]

    config = TrainingConfig(task="text-generation", model_name="m", dataset="d", max_steps=2)
    assert strategy.defaults(config) == {"learning_rate": 2e-4, "lora_dropout": 0.0}
    train = Dataset.from_dict({"input_ids": [[5, 6, 7, 8]] * 4, "labels": [[-100, 6, 7, 8]] * 4})
    spec = RunSpec(
        job_id="train_x", name="made", created_at=now(), config=config, device="cpu", output_dir=str(tmp_path),
        dataset=DatasetRef(name="d", path="/d", sha256="0" * 64, num_examples=10, shape="input_output"),
        model=ModelRef(name="m", source="folder", path=str(tiny_model)), modelforge_version="0",
    )  # fmt: skip
    run = Run(
        spec=spec, folder=tmp_path, task=TASKS.get("text-generation"), head=Head.CAUSAL, train=train, held_out=None,
        model=AutoModelForCausalLM.from_pretrained(tiny_model), measured=train, rows=[], check_stop=lambda: None,
        tokenizer=AutoTokenizer.from_pretrained(tiny_model), load_start=lambda: None, sample=lambda *_: None,
        tell=lambda _: None,
    )  # fmt: skip
    (stage,) = strategy.stages(run)
    arguments = {"output_dir": str(tmp_path), "max_steps": 2, "use_cpu": True, "bf16": False, "report_to": "none"}
    trainer = stage.trainer(arguments | {"disable_tqdm": True, "save_strategy": "no"}, [])
    trainer.order = EpochOrder([4] * 4, 1, 1, group_by_length=False)
    assert trainer.args.neftune_noise_alpha == 5.0
    assert trainer.train().global_step == 2


def commands() -> list[tuple[str, str]]:
    """Every call of modelforge in the guides: the page and the line."""
    found = []
    for page in GUIDES:
        for language in ("bash", "console"):
            for code in blocks(page, language):
                lines = code.replace("\\\n", " ").splitlines()
                found += [(page.name, line.removeprefix("$ ")) for line in lines if "modelforge " in line[:13]]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_in_guides_exist(page: str, line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(line, comments=True)[1:]
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    assert [word for word in words if word.startswith("-") and word not in options] == []


def test_there_are_commands_in_guides() -> None:
    assert len(commands()) >= 3


def test_bodies_of_curl_are_valid() -> None:
    code = "\n".join(
        [
            block
            for page in ("guide/http.md", "guide/training.md", "reference/rest-api.md")
            for block in blocks(DOCS / page, "bash")
        ]
    )
    calls = re.findall(r"localhost:8000(/\S+)[^\n]*?(?:\s*\\\n[^\n]*?)*?-d '(\{.*?\})'", code, re.DOTALL)
    assert len(calls) >= 4
    for path, body in calls:
        (kind,) = {kind for route, kind in BODIES.items() if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)}
        kind.model_validate(json.loads(body))


def test_routes_in_guides_exist() -> None:
    paths = importlib.import_module("generator.schema").openapi()["paths"]
    known = [re.sub(r"\{\w+\}", "[^/]+", path) for path in paths]
    for page in GUIDES:
        for path in set(re.findall(r"(?<!tests)/api/[\w/{}.-]*\w", page.read_text(encoding="utf-8"))):
            exists = any(re.fullmatch(pattern, path.replace("{job_id}", "x")) for pattern in known)
            assert exists, f"{page.relative_to(ROOT)}: {path}"
