"""Every page that there is, with something on it to see."""

from __future__ import annotations

from tests.live import LiveServer, until
from tests.studio.test_datasets import LAMPS, SHOPS

PAGES = {
    "home": "/",
    "datasets": "/datasets",
    "report": "/datasets/lamps.csv",
    "rows": "/datasets/lamps.csv/rows",
    "row": "/datasets/lamps.csv/rows?edit=1",
    "closer-look": "/datasets/demo.jsonl/closer",
    "model-sees": "/datasets/demo.jsonl/preview?line=3",
    "columns": "/datasets/shops.csv/columns",
    "versions": "/datasets/lamps.csv/versions?from=1&to=2",
    "new-run": "/new?task=text-generation&dataset=demo.jsonl&model_name=modelforge-starter&num_train_epochs=20",
    "runs": "/runs",
    "run": "/runs/{help-desk}?smooth=0.6",
    "run-results": "/runs/{help-desk}?view=results",
    "run-samples": "/runs/{help-desk}?view=samples",
    "run-history": "/runs/{help-desk}?view=history",
    "run-settings": "/runs/{help-desk}?view=settings",
    "run-log": "/runs/{help-desk}?view=log",
    "run-stopped": "/runs/{given-up}",
    "compare": "/runs/compare?ids={help-desk},{help-desk-slower}",
    "models": "/models",
    "model": "/models/1",
    "playground": "/playground?model=1&base=true",
    "system": "/system",
    "not-found": "/no/such/page",
}
"""By the names of their pictures; a run's name stands for its id."""


def address(live: LiveServer, name: str) -> str:
    return PAGES[name].format(**{job["name"]: job["id"] for job in live.get("/api/jobs")["jobs"]})


def furnish(live: LiveServer) -> None:
    """Data in every state, two runs that have ended, and one that was stopped."""
    live.upload("shops.csv", SHOPS.encode())
    live.upload("lamps.csv", LAMPS.encode())
    _work(live, "/api/datasets/import", {"sample": "demo"})
    _work(live, "/api/datasets/demo.jsonl/check", {"model_name": "modelforge-starter"})
    _work(live, "/api/datasets/lamps.csv/fixes", {"fixes": ["repair_mojibake"]})
    body = {
        "task": "text-generation",
        "model_name": "modelforge-starter",
        "dataset": "demo.jsonl",
        "max_steps": 24,
        "logging_steps": 1,
        "eval_steps": 4,
        "per_device_train_batch_size": 4,
    }
    for name, rate in (("help-desk", 0.003), ("help-desk-slower", 0.0003)):
        job = live.wait(live.post("/api/jobs", {**body, "name": name, "learning_rate": rate})["job_id"], seconds=300)
        assert job["status"] == "completed", job
    given_up = live.post("/api/jobs", {**body, "name": "given-up"})["job_id"]
    live.call("POST", f"/api/jobs/{given_up}/stop", params={"force": True})


def _work(live: LiveServer, path: str, body: object) -> None:
    begun = live.post(path, body, status=202)
    until(lambda: live.get(f"/api/operations/{begun['id']}")["status"] != "running", 60)
    assert live.get(f"/api/operations/{begun['id']}")["status"] == "completed"
