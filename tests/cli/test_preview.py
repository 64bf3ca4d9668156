"""``modelforge datasets preview`` on a terminal, in a pipe and for machines."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from modelforge.cli.app import app
from tests.live import LiveServer

ASKED = ["preview", "rows.jsonl", "--task", "text-generation", "--model-name", "modelforge-starter"]


def run(server: LiveServer, *words: str, **environment: str) -> str:
    done = CliRunner().invoke(app, ["--home", str(server.home), "datasets", *ASKED, *words], env=environment)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_is_trained_is_bright(server: LiveServer) -> None:
    told = run(server, "--row", "7", FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="200")
    assert "\x1b[1;32mit\x1b[0m" in told.replace(" ", "") and "\x1b[2m<|user|>\x1b[0m" in told
    told = run(server, "--row", "7", COLUMNS="200")
    assert "\x1b" not in told and "<|user|>what is 6?<|end|><|assistant|>it is the number 6<|end|>" in told
    assert "Row 7: " in told and "step 1, packed row 1 from token 0" in told and "1 of 1 rows are used" in told


def test_tokens_and_machines(server: LiveServer, tmp_path: Path) -> None:
    told = run(server, "--row", "1", "--tokens", COLUMNS="200")
    assert "read    '<|user|>'" in told and "trained ' number'" in told
    told = run(server, "--row", "1", "--row", "2", "--max-seq-length", "2", COLUMNS="200")
    assert "Row 2: left out: max_seq_length 2 has no room" in told
    seen = json.loads(run(server, "--limit", "3", "--eval-split", "0", "--json"))
    assert [row["line"] for row in seen["rows"]] == [1, 2, 3] and seen["stats"]["held_out"] == 0


def test_a_mixture_is_asked_for_by_flags(server: LiveServer) -> None:
    words = ["train", *ASKED[2:], "--dataset", "rows.jsonl", "--mix", "dataset=rows.jsonl,weight=0.5"]
    done = CliRunner().invoke(app, ["--home", str(server.home), *words])
    assert done.exit_code == 1 and "mix: the rows of 'rows.jsonl' are there already" in str(done.exception)
    done = CliRunner().invoke(app, ["--home", str(server.home), *words, "--mix", "weight=0.5,share=1"])
    assert done.exit_code == 2 and "there is no field 'share'" in " ".join(done.output.split())
