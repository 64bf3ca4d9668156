"""The commands on real homes, servers and runs: what a user does in a terminal, and what a script reads."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import PROGRAM, document, documents, environment, modelforge, write_rows
from tests.live import LiveServer


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_datasets_are_added_listed_and_removed(home: Path, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "my rows.jsonl")
    assert document("datasets", "add", str(file), home=home)["num_examples"] == 12
    assert document("datasets", "list", home=home)["datasets"][0]["filename"] == "my rows.jsonl"
    assert "my rows.jsonl" in modelforge("datasets", "list", home=home, COLUMNS="40").stdout
    assert document("datasets", "rm", "my rows.jsonl", home=home)["status"] == "deleted"
    assert document("datasets", "list", home=home) == {"datasets": [], "total": 0}
    gone = modelforge("datasets", "rm", "my rows.jsonl", "--json", home=home)
    assert gone.returncode == 1 and json.loads(gone.stdout)["status_code"] == 404
    assert gone.stderr.splitlines()[0] == "Not found" and "Traceback" not in gone.stderr


def test_files_of_other_kinds_are_checked_added_and_trained_on(home: Path, tmp_path: Path, tiny_model: Path) -> None:
    rows = [f"what is {i}?;it is the number {i}, exactly" for i in range(12)]
    first, second = tmp_path / "faq.csv", tmp_path / "more.csv"
    first.write_bytes("\n".join(["input;output", *rows[:9], 'x;"y', "ü;é"]).encode("cp1252"))
    second.write_text("\n".join(["input;output", *rows[9:]]) + "\n")
    checked = modelforge("datasets", "check", str(first), str(second), "--encoding", "cp1252", home=home)
    assert checked.returncode == 1 and "faq.csv row 11: a quote opens" in checked.stderr
    added = document("datasets", "add", str(first), str(second), "--encoding", "cp1252", "--name", "FAQ.csv", home=home)
    assert (added["filename"], added["num_examples"]) == ("FAQ.csv", 13)
    source = added["validation"]["source"]
    assert (source["format"], source["encoding"], source["delimiter"]) == ("csv", "cp1252", ";")
    assert [(part["name"], part["first"], part["rows"]) for part in source["parts"]] == [
        ("faq.csv", 2, 11),
        ("more.csv", 2, 3),
    ]
    assert added["validation"]["findings"][0]["rows"] == [10]
    [stored] = (home / "datasets").glob("*/*")
    assert stored.name == "FAQ.csv.jsonl" and len(stored.read_text(encoding="utf-8").splitlines()) == 14
    # By its path, too: the run has the rows, and nothing else is left.
    words = ["train", "--task", "text-generation", "--model-name", str(tiny_model), "--dataset", str(second)]
    few = modelforge(*words, "--max-steps", "1", "--json", home=home)
    assert few.returncode == 1 and "has 3 usable examples" in few.stderr
    words[-1] = str(first)
    done = modelforge(*words, "--max-steps", "1", "--eval-split", "0", "--json", home=home)
    assert done.returncode == 0, done.stderr
    assert documents(done.stdout)[-1]["status"] == "completed"
    [copy] = (home / "runs").glob("*/dataset.jsonl")
    assert json.loads(copy.read_text(encoding="utf-8").splitlines()[0])["input"] == "what is 0?"
    assert not list((home / "scratch").iterdir())
    unknown = modelforge("datasets", "add", str(first), "--encoding", "klingon", home=home)
    assert unknown.returncode == 1 and "encoding: 'klingon' is none that is known" in unknown.stderr


def test_a_refused_configuration_is_told_in_two_lines(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("task: text-generation\nmodel_name: m\ndataset: d\nlora_rank: 3\n")
    refused = modelforge("train", str(config), "--lora-alpha", "0", "--json", home=home)
    assert refused.returncode == 1
    title, detail = refused.stderr.splitlines()
    assert title == "Invalid request" and "lora_rank" in detail and "lora_alpha" in detail
    assert json.loads(refused.stdout) == {"error": title, "detail": detail, "status_code": 400}


def test_a_run_from_a_file_and_flags_and_again_from_its_spec(home: Path, tmp_path: Path, tiny_model: Path) -> None:
    write_rows(tmp_path / "rows.jsonl")
    (tmp_path / "llama").symlink_to(tiny_model)
    (tmp_path / "run.yaml").write_text(
        "task: text-generation\nmodel_name: llama\ndataset: rows.jsonl\nlearning_rate: 2e-4\nmax_steps: 9\n"
        "logging_steps: 1\neval_steps: 1\n"
    )
    words = ["train", "run.yaml", "--max-steps", "3", "--name", "first", "--json"]
    done = modelforge(*words, home=home, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *events, job = documents(done.stdout)
    assert job["status"] == "completed" and job["total_steps"] == 3 and job["name"] == "first"
    assert job["config"]["learning_rate"] == 2e-4 and job["dataset"] == str(tmp_path / "rows.jsonl")
    assert job["metrics"]["final_loss"] > 0 and Path(job["model_path"]).is_dir()
    points = {event["step"]: event for event in events if event["event"] == "metrics"}
    assert sorted(points) == [1, 2, 3] and all(point["loss"] > 0 for point in points.values())
    assert "eval_loss" in points[3]
    assert [event["status"] for event in events if event["event"] == "state"][-1] == "completed"

    model = document("models", "show", "first", home=home)
    assert model["id"] == job["model_id"] and model["metrics"] == job["metrics"]
    again = modelforge("train", f"{job['model_path']}/spec.json", "--json", home=home)
    assert again.returncode == 0, again.stderr
    repeated = documents(again.stdout)[-1]
    assert repeated["name"] != "first" and repeated["metrics"]["final_loss"] == job["metrics"]["final_loss"]

    shown = modelforge("models", "list", home=home, COLUMNS="40").stdout
    assert "first" in shown and repeated["name"] in "".join(shown.split())
    assert document("jobs", "list", home=home)["total"] == 2
    logs = document("jobs", "logs", job["id"], "-n", "5", home=home)
    assert len(logs["lines"]) == min(5, logs["total"]) > 0
    assert job["id"] in modelforge("jobs", "show", job["id"], home=home).stdout
    assert document("models", "rm", str(repeated["model_id"]), home=home)["status"] == "deleted"
    lost = modelforge("models", "show", "frist", home=home)
    assert lost.returncode == 1 and "Did you mean 'first'?" in lost.stderr


def test_ctrl_c_stops_and_saves_and_a_resume_goes_on(home: Path, tmp_path: Path, tiny_model: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 40)
    words = ["train", "--task", "text-generation", "--model-name", str(tiny_model), "--dataset", str(rows)]
    words += ["--max-steps", "100", "--eval-split", "0", "--logging-steps", "1", "--json"]
    with subprocess.Popen(
        [*PROGRAM, *words], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        lines = []
        for line in run.stdout:
            lines.append(line)
            if '"event": "metrics"' in line:
                run.send_signal(signal.SIGINT)
                break
        rest, told = run.communicate(timeout=90)
    assert run.returncode == 130 and "Stopping" in told and "Traceback" not in told, told
    stopped = documents("".join(lines) + rest)[-1]
    assert stopped["status"] == "stopped" and stopped["cause"] == "user" and 0 < stopped["current_step"] < 100
    assert document("models", "list", home=home)["models"] == []

    resumed = modelforge("jobs", "resume", "--json", home=home)
    assert resumed.returncode == 0, resumed.stderr
    *events, job = documents(resumed.stdout)
    assert job["id"] == stopped["id"] and job["status"] == "completed" and job["attempt"] == 2
    new = [event["step"] for event in events if event["event"] == "metrics"]
    # A step's point comes again where something was added to it; no step is left out, and none done twice.
    assert min(new) > stopped["current_step"] and sorted(set(new)) == list(range(min(new), 101))


def test_with_a_server_the_commands_speak_to_it(home: Path, tmp_path: Path, tiny_model: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 40)
    base = ["train", "--task", "text-generation", "--model-name", str(tiny_model), "--dataset", str(rows)]
    with closing(LiveServer(home).start()) as server:
        assert document("doctor", home=home)["ok"]
        left = document(*base, "--max-steps", "100000", "--detach", home=home)
        assert left["status"] in ("starting", "training")
        second = modelforge(*base, home=home)
        assert second.returncode == 1 and second.stderr.splitlines()[0] == "Conflict"
        wrong = modelforge("jobs", "stop", "train_000000000000", home=home)
        assert wrong.returncode == 1 and "train_000000000000" in wrong.stderr
        queued = document("jobs", "add", *base[1:], "--name", "later", home=home)
        assert (queued["status"], queued["position"]) == ("queued", 1)
        assert document("jobs", "stop", queued["job_id"], home=home)["job_id"] == queued["job_id"]
        assert document("jobs", "stop", home=home)["job_id"] == left["id"]
        assert document("jobs", "show", home=home)["status"] == "stopped"
        nothing = modelforge("jobs", "stop", home=home)
        assert nothing.returncode == 1 and nothing.stderr.splitlines()[0] == "Conflict"
    assert server.process is not None and server.process.returncode == 0


def test_without_a_server_jobs_wait_for_one(home: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"task: text-generation\nmodel_name: modelforge-starter\ndataset: {write_rows(tmp_path / 'rows.jsonl')}\n"
    )
    added = modelforge("jobs", "add", str(config), "--name", "one", home=home)
    assert "place 1" in added.stdout and "modelforge serve" in added.stdout, added.stderr
    two = document("jobs", "add", str(config), "--name", "two", "--max-steps", "3", home=home)
    assert two["position"] == 2
    assert document("jobs", "move", two["job_id"], "1", home=home)["position"] == 1
    found = document("jobs", "list", home=home)["jobs"]
    assert {job["name"]: (job["status"], job["position"]) for job in found} == {
        "one": ("queued", 2),
        "two": ("queued", 1),
    }
    assert document("jobs", "stop", two["job_id"], "--force", home=home)["status"] == "stopped"
    assert not list(home.glob("runs/*/worker.log"))


def test_every_line_that_is_read_is_answered(home: Path, tiny_model: Path) -> None:
    words = ["generate", str(tiny_model), "--max-new-tokens", "4", "--temperature", "0", "--json"]
    done = modelforge(*words, home=home, stdin="Say hello.\n\nSay hello.\n")
    assert done.returncode == 0, done.stderr
    first, second = documents(done.stdout)
    assert first["generated_text"] == second["generated_text"] and first["tokens_generated"] <= 4
    unknown = modelforge("generate", "--json", "--", "99", "Say hello.", home=home)
    assert unknown.returncode == 1 and json.loads(unknown.stdout)["status_code"] == 404


SHORT_DEMO = """
import sys
from modelforge.cli import app, demo
demo.SETTINGS["max_steps"] = 2
demo.CHECK_SECONDS = 1.0
demo.MAX_NEW_TOKENS = 16
sys.exit(app.run(sys.argv[1:]))
"""


def short_demo(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The demo with two steps of training: every part of it happens, and little is learnt."""
    command = [PROGRAM[0], "-c", SHORT_DEMO, "demo", *words]
    env = environment(home, COLUMNS="60")
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_the_demo_tells_its_story_twice_on_one_home(home: Path, tmp_path: Path) -> None:
    # Somebody's own data of the same name stay as they are.
    document("datasets", "add", str(write_rows(tmp_path / "demo.jsonl")), home=home)
    shown = short_demo(home=home)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for part in ("1 Before", "2 Training", "3 After", "4 Yours now", "word for word", "modelforge generate"):
        assert part in shown.stdout
    assert document("datasets", "list", home=home)["datasets"][0]["version"] == 1
    done = short_demo("--json", home=home)
    assert done.returncode == 0, done.stderr
    last: dict[str, Any] = documents(done.stdout)[-1]
    assert last["job"]["status"] == "completed" and last["job"]["model_id"] == 2
    assert len(last["trained_questions"]) == 3 and last["unseen_phrasings"]
    checked = last["word_for_word"]
    assert 0 <= checked["right"] <= checked["asked"] <= checked["of"] and checked["asked"] >= 20
