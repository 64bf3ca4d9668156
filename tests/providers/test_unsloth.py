"""What unsloth cannot do is refused before the queue; what it is given is what the spec says."""

from __future__ import annotations

import json
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from modelforge.contracts.training import TrainingConfig
from modelforge.environments import Environment, find_environment
from modelforge.errors import InvalidRequest
from modelforge.files import sha256
from modelforge.hardware import Gpu, Hardware
from modelforge.jobs.runners.local import LocalRunner, interpreter_of
from modelforge.providers import PROVIDERS
from modelforge.tasks.base import Head
from tests import workers
from tests.live import LiveServer, jsonl, rows, until

PROVIDER = PROVIDERS.get("unsloth")
FAKE = Path(__file__).with_name("fake_unsloth.py")


def machine(device: str, *gpus: str) -> Hardware:
    cards = [Gpu(name=name, memory_gb=24, compute_capability=8.0) for name in gpus]
    return Hardware(
        system="Test", cpu_count=2, memory_gb=32, gpus=cards, device=device, fast_bf16=True, compute_specs="high_end"  # type: ignore[arg-type]
    )  # fmt: skip


def asked(**fields: Any) -> TrainingConfig:
    return TrainingConfig(
        **{"task": "text-generation", "model_name": "m", "dataset": "d", "provider": "unsloth", **fields}
    )


GPU = machine("cuda", "RTX")


@pytest.mark.parametrize(
    ("hardware", "fields", "said"),
    [
        (machine("cpu"), {}, "needs an NVIDIA GPU, and this machine trains on cpu"),
        (machine("mps", "Apple GPU"), {}, "needs an NVIDIA GPU, and this machine trains on mps"),
        (machine("cpu", "RTX"), {}, "own torch is a CPU build that cannot use the RTX"),
        (GPU, {"task": "extractive-question-answering"}, "extractive-question-answering points at an answer"),
        (GPU, {"packing": True}, "Leave packing out"),
    ],
)
def test_what_it_cannot_do(hardware: Hardware, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        PROVIDER.check(asked(**fields), hardware)
    assert "'huggingface'" in caught.value.detail


def test_what_it_can_do() -> None:
    for strategy in ("sft", "qlora", "dpo", "rlhf"):
        PROVIDER.check(asked(strategy=strategy), GPU)
    PROVIDER.check(asked(task="summarization"), GPU)
    PROVIDER.check_head(Head.CAUSAL, "m")
    with pytest.raises(InvalidRequest, match="'t5' is an encoder-decoder model"):
        PROVIDER.check_head(Head.SEQ2SEQ, "t5")


def test_its_defaults_are_the_contracts() -> None:
    defaults = PROVIDER.defaults(asked())
    assert (defaults["max_seq_length"], defaults["lora_dropout"]) == (2048, 0.0)


def test_the_server_refuses_it_without_a_gpu(server: LiveServer, tiny_model: Path) -> None:
    body = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "provider": "unsloth"}
    if server.get("/api/info") and not _has_gpu():
        told = server.post("/api/start_training", body, status=400)["detail"]
        assert "NVIDIA GPU" in told and "Use the provider 'huggingface'" in told
    server.post("/api/start_training", {**body, "max_seq_length": -1}, status=400)


def _has_gpu() -> bool:
    from modelforge.hardware import detect

    return detect().device == "cuda"


# A worker of another interpreter: an environment made by hand, with a stand-in for unsloth on the libraries of ours.


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def environment(home: Path) -> Environment:
    made = find_environment(home, "unsloth")
    venv.create(made.folder, symlinks=True)
    paths = {"base": str(made.folder), "platbase": str(made.folder)}
    site = Path(sysconfig.get_path("purelib", scheme="venv", vars=paths))
    (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "unsloth.py").write_text(FAKE.read_text())
    manifest = {"schema_version": 1, "pins": sha256(made.pins), "site_packages": str(site)}
    (made.folder / "environment.json").write_text(json.dumps(manifest))
    return made


@pytest.fixture(scope="module")
def spec(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return workers.resolved_spec(
        tmp_path_factory.mktemp("specs"), model_name=str(tiny_model), max_steps=6, learning_rate=1e-2, lora_r=4,
        lora_dropout=0.0, max_seq_length=128, gradient_checkpointing=True,
    )  # fmt: skip


def test_no_worker_starts_without_the_environment(spec: dict[str, Any], home: Path) -> None:
    run_dir = workers.place(spec, home, "train_fast", provider="unsloth")
    with pytest.raises(InvalidRequest, match=r"is not installed\. Make it: modelforge providers install unsloth"):
        LocalRunner().start(run_dir, home, "token", 1)
    assert not (run_dir / "process.json").exists()


def test_the_worker_runs_under_the_environments_python(
    spec: dict[str, Any], home: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run_dir = workers.place(spec, home, "train_fast", provider="unsloth")
    assert interpreter_of(run_dir, home) == str(environment.python)
    handle = LocalRunner().start(run_dir, home, "token", 1)
    until(lambda: handle.poll() is not None, 120, lambda: workers.why(run_dir))
    log = (run_dir / "worker.log").read_text()
    assert workers.states(run_dir)[-1] == "completed", workers.why(run_dir)

    told = {
        line.split(" ", 2)[1]: json.loads(line.split(" ", 2)[2]) for line in log.splitlines() if line[:5] == "FAKE "
    }
    assert told["imported"]["python"] == str(environment.python)
    assert told["imported"]["before"] == [], "unsloth must be imported before what it rewrites"
    assert told["imported"]["statistics"] == "1"
    assert Path(told["imported"]["cache"]).is_relative_to(run_dir)
    loaded = told["from_pretrained"]
    assert loaded["model"] == spec["model"]["path"]
    assert (loaded["max_seq_length"], loaded["load_in_4bit"], loaded["full_finetuning"]) == (128, False, False)
    assert (loaded["use_gradient_checkpointing"], loaded["token"]) == ("unsloth", False)
    adapter = told["get_peft_model"]
    assert (adapter["r"], adapter["lora_dropout"], adapter["bias"], adapter["random_state"]) == (4, 0.0, "none", 42)

    saved = Path(json.loads((run_dir / "spec.json").read_text())["output_dir"])
    assert json.loads((saved / "adapter_config.json").read_text())["base_model_name_or_path"] == spec["model"]["path"]
    assert not (run_dir / "cache").exists()


def test_a_job_whose_environment_is_gone_fails_in_words(tiny_model: Path, tmp_path: Path) -> None:
    """Resumed after the environment was removed, say."""
    live = LiveServer(tmp_path / "home", MODELFORGE_STOP_TIMEOUT="0.1").start()
    try:
        live.upload("rows.jsonl", jsonl(rows(40)))
        body = {"task": "text-generation", "model_name": str(tiny_model), "dataset": "rows.jsonl", "max_steps": 50}
        job_id = live.post("/api/start_training", body)["job_id"]
        live.call("POST", "/api/stop_training?force=true")
        path = live.home / "runs" / job_id / "spec.json"
        stopped = json.loads(path.read_text())
        stopped["config"]["provider"] = "unsloth"
        path.write_text(json.dumps(stopped))
        told = live.post(f"/api/jobs/{job_id}/resume", status=500)["detail"]
        assert "could not be started" in told and "modelforge providers install unsloth" in told
        assert live.get(f"/api/jobs/{job_id}")["status"] == "failed"
    finally:
        live.close()
