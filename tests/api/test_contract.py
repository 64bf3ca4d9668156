"""The public promise, held against a real server that trains a real model."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from modelforge.strategies import STRATEGIES
from modelforge.tasks import TASKS
from tests.live import LiveServer, jsonl, rows, until

UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NUMBER = (int, float)
STATUS: dict[str, Any] = {
    "status": str, "progress": NUMBER, "current_epoch": int, "total_epochs": int, "current_step": int,
    "total_steps": int, "loss": NUMBER, "learning_rate": NUMBER,
}  # fmt: skip


def config(model: Any, **fields: Any) -> dict[str, Any]:
    return {"task": "text-generation", "model_name": str(model), "dataset": "rows.jsonl", **fields}


def fields(reply: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, kind in wanted.items():
        assert isinstance(reply[name], kind) and not (kind is NUMBER and isinstance(reply[name], bool)), (
            name,
            reply[name],
        )


def merged(messages: list[dict[str, Any]], after: int) -> dict[int, dict[str, Any]]:
    """The values by step: what is measured at one step may come in several points."""
    heard: dict[int, dict[str, Any]] = {}
    for message in messages:
        for point in message["points"]:
            assert point["seq"] <= message["seq"]
            if point["seq"] > after:
                heard.setdefault(point["step"], {}).update({k: v for k, v in point.items() if v is not None})
    return heard


@pytest.fixture(scope="module")
def trained(server: LiveServer, tiny_model: Any) -> dict[str, Any]:
    """A finished job, with every message that a listener got from before its start."""
    messages: list[dict[str, Any]] = []
    with connect(server.url.replace("http", "ws") + "/ws/training") as socket:
        messages.append(json.loads(socket.recv(timeout=10)))
        started = server.post(
            "/api/start_training",
            config(tiny_model, num_train_epochs=3, per_device_train_batch_size=4, gradient_accumulation_steps=1,
                   learning_rate=0.01, name="first", logging_steps=1),
        )  # fmt: skip
        status = server.get("/api/training_status")
        assert status["job_id"] == started["job_id"] and status["status"] in ("starting", "training")
        busy = server.post("/api/start_training", config(tiny_model), status=409)
        assert started["job_id"] in busy["detail"]
        while messages[-1]["status"] not in ("completed", "failed"):
            messages.append(json.loads(socket.recv(timeout=60)))
    return {"started": started, "messages": messages, "job": server.wait(started["job_id"])}


def test_info_and_health(server: LiveServer) -> None:
    info = server.get("/api/info")
    assert info["providers"] == ["huggingface", "unsloth"]
    assert info["strategies"] == ["sft", "qlora", "rlhf", "dpo"]
    assert info["tasks"] == ["text-generation", "summarization", "extractive-question-answering"]
    assert info["version"] == "v2"
    assert server.get("/api/health") == {"status": "healthy", "version": "v2"}


def test_a_start(trained: dict[str, Any]) -> None:
    started = trained["started"]
    assert (started["status"], started["message"]) == ("started", "Training started successfully")
    assert started["job_id"].startswith("train_")


def test_the_status_of_a_finished_training(server: LiveServer, trained: dict[str, Any]) -> None:
    status = server.get("/api/training_status")
    fields(status, STATUS)
    assert (status["status"], status["progress"]) == ("completed", 100.0)
    assert status["current_step"] == status["total_steps"] and status["current_epoch"] == status["total_epochs"] == 3
    assert status["loss"] < 6 and isinstance(status["eval_loss"], float) and status["stalled"] is False


def test_messages_tell_the_whole_run(server: LiveServer, trained: dict[str, Any]) -> None:
    messages, job = trained["messages"], trained["job"]
    assert messages[0]["status"] == "idle"
    assert all(set(STATUS) <= set(message) for message in messages)
    seqs = [message["seq"] for message in messages]
    assert seqs == sorted(set(seqs))
    states = list(dict.fromkeys(message["status"] for message in messages))
    assert states == ["idle", "queued", "starting", "training", "saving", "completed"]
    progress = [message["progress"] for message in messages]
    assert progress == sorted(progress) and progress[-1] == 100 and progress[-2] < 100
    heard = merged(messages, 0)
    stored = server.get(f"/api/jobs/{job['id']}/metrics")["metrics"]
    assert list(heard) == [point["step"] for point in stored] == list(range(1, job["total_steps"] + 1))
    for point in stored:
        assert heard[point["step"]]["loss"] == point["loss"]
    assert stored[0]["loss"] > stored[-1]["loss"]


@pytest.mark.parametrize("behind", [0, 3, 10_000])
def test_a_listener_that_comes_back_misses_nothing(server: LiveServer, trained: dict[str, Any], behind: int) -> None:
    messages = trained["messages"]
    last = messages[-1]["seq"]
    after = max(0, last - behind)
    expected = merged(messages, after)
    with connect(f"{server.url.replace('http', 'ws')}/ws/training?after={after}") as socket:
        got = [json.loads(socket.recv(timeout=10))]
        while got[-1]["seq"] < last:
            got.append(json.loads(socket.recv(timeout=10)))
    assert merged(got, after) == expected
    assert (got[-1]["status"], got[-1]["progress"]) == ("completed", 100.0)


def test_models(server: LiveServer, trained: dict[str, Any], tiny_model: Any) -> None:
    (listed,) = server.get("/api/models")["models"]
    fields(listed, {"id": int, "name": str, "base_model": str, "task": str, "created_at": str, "size_mb": NUMBER})
    assert (listed["name"], listed["base_model"], listed["task"]) == ("first", str(tiny_model), "text-generation")
    assert UTC.fullmatch(listed["created_at"]) and listed["size_mb"] > 0
    model = server.get(f"/api/models/{listed['id']}")
    assert {name: model[name] for name in listed} == listed
    assert (model["provider"], model["strategy"]) == ("huggingface", "sft")
    params = model["training_params"]
    assert (params["num_epochs"], params["batch_size"], params["learning_rate"]) == (3, 4, 0.01)
    metrics = model["metrics"]
    assert metrics["perplexity"] == pytest.approx(2.718281828 ** metrics["final_loss"], rel=1e-6)
    assert metrics["final_loss"] == metrics["eval_loss"] == trained["job"]["eval_loss"]
    assert metrics["train_tokens"] > 1000 and metrics["tokens_per_second"] > 0 and metrics["train_seconds"] > 0


def test_the_same_settings_are_in_the_spec_beside_the_model(server: LiveServer, trained: dict[str, Any]) -> None:
    job = trained["job"]
    spec = json.loads((server.home / "models" / "first" / "spec.json").read_text())
    assert spec["frozen"] and spec["config"] == job["config"]
    unresolved = {name for name, value in spec["config"].items() if value is None}
    others = {name for variant in [*STRATEGIES, *TASKS] for name in variant.options}
    kept = {"warmup_steps", "loraplus_lr_ratio", "early_stopping_patience", "mix", "eval_dataset", "preset"}
    assert unresolved - others == {*kept, "eval_dataset_version"}
    assert spec["config"]["dataset_version"] == spec["dataset"]["version"] == 1
    assert spec["versions"]["torch"] and spec["dataset"]["num_examples"] == 40


def test_generate(server: LiveServer, trained: dict[str, Any]) -> None:
    model_id = trained["job"]["model_id"]
    ask = {"model_id": model_id, "prompt": "what is 3?", "max_new_tokens": 12, "temperature": 0}
    reply = server.post("/api/playground/generate", ask)
    fields(reply, {"generated_text": str, "tokens_generated": int, "generation_time_ms": int})
    assert 0 <= reply["tokens_generated"] <= 12
    assert server.post("/api/playground/generate", ask)["generated_text"] == reply["generated_text"]
    base = server.post(
        "/api/playground/generate", {**ask, "model_id": None, "model_name": trained["job"]["model_name"]}
    )
    assert base["generated_text"] != reply["generated_text"]
    by_name = server.post("/api/playground/generate", {**ask, "model_id": None, "model_name": "first"})
    assert by_name["generated_text"] == reply["generated_text"]


def test_datasets(server: LiveServer) -> None:
    reply = server.upload("more.jsonl", jsonl(rows(12)))
    assert (reply["status"], reply["filename"], reply["num_examples"]) == ("uploaded", "more.jsonl", 12)
    assert reply["validation"]["valid"] is True and reply["validation"]["errors"] == []
    assert server.upload("more.jsonl", jsonl(rows(20)))["version"] == 2
    listed = {item["filename"]: item for item in server.get("/api/datasets")["datasets"]}
    fields(listed["more.jsonl"], {"filename": str, "num_examples": int, "size_mb": NUMBER, "uploaded_at": str})
    assert listed["more.jsonl"]["num_examples"] == 20 and UTC.fullmatch(listed["more.jsonl"]["uploaded_at"])
    assert next(iter(listed)) == "rows.jsonl"
    server.call("DELETE", "/api/datasets/more.jsonl")
    server.call("DELETE", "/api/datasets/more.jsonl", status=404)
    assert server.upload("more.jsonl", jsonl(rows(12)))["version"] == 3
    server.call("DELETE", "/api/datasets/more.jsonl")


def test_several_files_of_other_kinds_are_one_dataset(server: LiveServer) -> None:
    table = "input;output\n" + "".join(f"{row['input']};{row['output']}\n" for row in rows(8)) + "torn\n"
    files = [("file", ("a.csv", table.encode())), ("file", ("b.jsonl", jsonl(rows(8))))]
    asked = {"delimiter": ";", "name": "both"}
    reply = server.call("POST", "/api/upload_dataset", params=asked, files=files)
    assert (reply["filename"], reply["num_examples"], reply["validation"]["num_rows"]) == ("both", 16, 17)
    [error] = reply["validation"]["errors"]
    assert error.startswith("a.csv row 10: fewer cells")
    assert [part["name"] for part in reply["validation"]["source"]["parts"]] == ["a.csv", "b.jsonl"]
    assert not list((server.home / "scratch").iterdir())
    server.call("DELETE", "/api/datasets/both")
    typo = server.call("POST", "/api/upload_dataset", status=400, params={"delimeter": ";"}, files=files)
    assert "delimeter" in typo["detail"]


def test_bad_rows_are_named_and_the_rest_is_kept(server: LiveServer) -> None:
    items: list[Any] = rows(60)
    del items[41]["output"]
    reply = server.upload("bad.jsonl", jsonl(items))
    assert reply["num_examples"] == 59
    assert reply["validation"]["valid"] is False
    assert reply["validation"]["errors"] == ["line 42: field 'output' is missing"]
    server.call("DELETE", "/api/datasets/bad.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("few.jsonl", jsonl(rows(9)), 400, "9 usable examples"),
        ("none.jsonl", b"", 400, ""),
        ("text.jsonl", b"just some text\n" * 20, 400, "line"),
        ("sheet.xlsx", b"PK\x03\x04" + bytes(100), 400, "cut off or damaged"),
        ("sheet.odt", bytes(100), 415, "JSON Lines"),
        ("photo.jsonl", b"\x89PNG\r\n\x1a\n" + bytes(1000), 415, "JSON Lines"),
    ],
)
def test_a_refused_upload_leaves_nothing(server: LiveServer, name: str, content: bytes, status: int, said: str) -> None:
    def on_disk() -> list[str]:
        folders = (server.home / "datasets", server.home / "scratch")
        return sorted(str(path) for folder in folders for path in folder.rglob("*"))

    before, listed = on_disk(), server.get("/api/datasets")
    error = server.upload(name, content, status=status)
    assert said in error["detail"] and error["status_code"] == status
    assert on_disk() == before and server.get("/api/datasets") == listed


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"lora_r": 0}, 400, "lora_r: must be greater than or equal to 1, not 0"),
    ({"lora_r": 257}, 400, "lora_r"),
    ({"lora_r": "16"}, 400, "lora_r"),
    ({"lora_r": True}, 400, "lora_r"),
    ({"lora_rank": 8}, 400, "there is no field 'lora_rank'. Did you mean 'lora_r'?"),
    ({"max_steps": 0}, 400, "max_steps"),
    ({"max_seq_length": -1}, 400, "max_seq_length"),
    ({"max_seq_length": 100_000}, 400, "max_seq_length: 100000 is more than the 256 tokens"),
    ({"eval_split": 1.0}, 400, "eval_split"),
    ({"learning_rate": 0}, 400, "learning_rate"),
    ({"use_4bit": True, "use_8bit": True}, 400, "use_4bit and use_8bit"),
    ({"fp16": True, "bf16": True}, 400, "fp16 and bf16"),
    ({"name": "a/b"}, 400, "name"),
    ({"name": "../up"}, 400, "name"),
    ({"name": "x."}, 400, "name: is no name that a folder can have on every system"),
    ({"name": "NUL.txt"}, 400, "name: is no name that a folder can have on every system"),
    ({"name": "Panadería de Ana 🥐"}, 400, "begins with a letter or a digit; 'Panaderia-de-Ana' would do"),
    ({"name": "con"}, 400, "name: is no name that a folder can have on every system"),
    ({"name": "first"}, 409, "name: a model 'first' exists already"),
    ({"name": "FIRST"}, 409, "exists already"),
    ({"task": "translation"}, 400, "task"),
    ({"task": "extractive-question-answering"}, 400, "what is needed is context, question and answer"),
    ({"strategy": "dpo"}, 400, "what is needed is prompt, chosen and rejected for the strategy dpo"),
    ({"strategy": "rlhf", "beta": 0.2}, 400, "beta: it belongs to the strategy dpo"),
    ({"rouge_language": "german"}, 400, "rouge_language: it belongs to the task summarization"),
    ({"strategy": "dpo", "task": "summarization"}, 400, "needs the task 'text-generation'"),
    ({"strategy": "qlora", "use_8bit": True}, 400, "strategy 'qlora' means 4-bit"),
    ({"provider": "unsloth"}, 400, "NVIDIA GPU"),
    ({"dataset": "row.jsonl"}, 404, "Did you mean 'rows.jsonl'"),
    ({"dataset": "/no/such/file.jsonl"}, 404, "/no/such/file.jsonl"),
    ({"dataset": "/dev/zero"}, 400, "/dev/zero"),
    ({"dataset": "/etc/hosts"}, 415, "'hosts' has no ending"),
    ({"model_name": "/no/such/model"}, 404, "/no/such/model"),
    ({"model_name": "nobody/such-model"}, 404, "nobody/such-model"),
    ({"model_name": "/etc"}, 400, "config.json"),
    ({"target_modules": ""}, 400, "target_modules names no layer"),
    ({"target_modules": 1}, 400, "target_modules: must be a valid string or be a valid list, not 1"),
    ({"target_modules": ["q_proj", 1]}, 400, "target_modules.1: must be a valid string, not 1"),
    ({"strategy": "dpo", "loss_type": ["best"]}, 400, "loss_type.0: must be 'sigmoid'"),
    ({"model_name": ""}, 400, "model_name: must have at least 1 character"),
]


@pytest.mark.parametrize(("changes", "status", "said"), REFUSALS, ids=[json.dumps(case[0]) for case in REFUSALS])
def test_what_cannot_work_is_refused(
    server: LiveServer, trained: dict[str, Any], tiny_model: Any, changes: dict[str, Any], status: int, said: str
) -> None:
    runs = sorted((server.home / "runs").iterdir())
    error = server.post("/api/start_training", {**config(tiny_model), **changes}, status=status)
    assert said in error["detail"], error
    assert set(error) == {"error", "detail", "status_code"} and error["status_code"] == status
    assert sorted((server.home / "runs").iterdir()) == runs
    assert server.get("/api/training_status")["job_id"] == trained["job"]["id"]


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/api/none", {}, 404),
        ("GET", "/ws/training", {}, 404),
        ("GET", "/api/models/999", {}, 404),
        ("GET", "/api/jobs/none", {}, 404),
        ("GET", "/api/jobs/none/metrics", {}, 404),
        ("POST", "/api/jobs/none/resume", {}, 404),
        ("GET", "/api/models/abc", {}, 400),
        ("GET", "/api/jobs?limit=0", {}, 400),
        ("DELETE", "/api/health", {}, 405),
        ("POST", "/api/start_training", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("POST", "/api/start_training", {"json": []}, 400),
        ("POST", "/api/start_training", {}, 400),
        ("POST", "/api/stop_training", {}, 409),
        ("POST", "/api/upload_dataset", {"json": {}}, 415),
        ("POST", "/api/upload_dataset", {"files": {"fiel": ("a.jsonl", b"x")}}, 400),
        ("POST", "/api/playground/generate", {"json": {"prompt": "x"}}, 400),
        ("POST", "/api/playground/generate", {"json": {"model_id": 999, "prompt": "x"}}, 404),
        ("POST", "/api/playground/generate", {"json": {"model_id": 1, "prompt": "x", "temperature": -1}}, 400),
        ("GET", "/api/info", {"headers": {"host": "evil.example"}}, 403),
        ("POST", "/api/stop_training", {"headers": {"origin": "https://evil.example"}}, 403),
    ],
)  # fmt: skip
def test_every_error_has_one_form(
    server: LiveServer, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    reply = httpx.request(method, server.url + path, **options)
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert set(body) == {"error", "detail", "status_code"} and body["status_code"] == status
    assert body["error"] and body["detail"] and "Traceback" not in body["detail"]


@pytest.mark.parametrize(
    ("path", "origin", "status", "said"),
    [
        ("/ws/training", "https://evil.example", 403, "https://evil.example"),
        ("/ws/training?after=-1", None, 400, "after: must be greater than or equal to 0"),
        ("/ws/training?after=x", None, 400, "after: must be a valid integer"),
        ("/ws/none", None, 404, "there is one at /ws/training"),
        ("/api/info", None, 404, "there is no WebSocket at /api/info"),
    ],
)
def test_a_refused_socket_is_told_why(server: LiveServer, path: str, origin: Any, status: int, said: str) -> None:
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus) as refusal, connect(server.url.replace("http", "ws") + path, origin=origin):
        pass
    body = json.loads(refusal.value.response.body or b"")
    assert refusal.value.response.status_code == body["status_code"] == status
    assert set(body) == {"error", "detail", "status_code"} and said in body["detail"]


def test_a_crash_of_the_playground_is_one_clear_error(server: LiveServer, trained: dict[str, Any]) -> None:
    import psutil

    ask = {"model_id": trained["job"]["model_id"], "prompt": "what is 3?", "max_new_tokens": 4}
    server.post("/api/playground/generate", ask)
    assert server.process is not None
    (child,) = [
        process
        for process in psutil.Process(server.process.pid).children()
        if "modelforge.inference" in " ".join(process.cmdline())
    ]
    child.kill()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
    server.post("/api/playground/generate", ask)


def test_lists_have_limit_and_offset(server: LiveServer, trained: dict[str, Any]) -> None:
    metrics = f"/api/jobs/{trained['job']['id']}/metrics"
    whole = server.get(metrics)
    part = server.get(metrics, limit=3, offset=2)
    assert part["metrics"] == whole["metrics"][2:5] and part["total"] == whole["total"] == len(whole["metrics"])
    log = server.get(f"/api/jobs/{trained['job']['id']}/log", limit=1)
    assert len(log["lines"]) == 1 and log["total"] > 1
    assert server.get("/api/jobs", offset=1)["jobs"] == []


def test_the_documentation_is_there(server: LiveServer) -> None:
    reply = httpx.get(server.url + "/docs")
    assert "swagger" in reply.text
    assert not re.findall(r'(?:src|href)="https?://(?!127\.0\.0\.1|localhost)', reply.text)
    schema = server.get("/openapi.json")
    assert "422" not in json.dumps(schema)


def test_a_model_goes_on_being_trained_and_is_deleted_after(
    server: LiveServer, trained: dict[str, Any], tiny_model: Any
) -> None:
    started = server.post("/api/start_training", config("first", num_train_epochs=2, learning_rate=0.01, eval_split=0))
    job = server.wait(started["job_id"])
    assert job["status"] == "completed", job
    second = server.get(f"/api/models/{job['model_id']}")
    assert (second["base_model"], second["name"]) == ("first", "my-first-finetuned")
    assert second["metrics"]["final_loss"] < trained["job"]["metrics"]["train_loss"]
    assert "eval_loss" not in second["metrics"]
    path = server.home / "models" / "first"
    assert server.call("DELETE", f"/api/models/{trained['job']['model_id']}")["status"] == "deleted"
    assert not path.exists()
    server.call("GET", f"/api/models/{trained['job']['model_id']}", status=404)
    server.post("/api/playground/generate", {"model_id": job["model_id"], "prompt": "what is 3?", "max_new_tokens": 3})
    again = server.post("/api/start_training", config(tiny_model, name="first", max_steps=2))
    assert server.wait(again["job_id"])["model_id"] > job["model_id"]
