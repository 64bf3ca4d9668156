"""Every page that there is, with something on it to see."""

from __future__ import annotations

from tests.live import LiveServer, until
from tests.studio.test_datasets import LAMPS, SHOPS

PAGES = {
    "home": "/",
    "datasets": "/datasets",
    "report": "/datasets/lamps.csv",
    "rows": "/datasets/lamps.csv/rows",
    "closer-look": "/datasets/demo.jsonl/closer",
    "model-sees": "/datasets/demo.jsonl/preview?line=3",
    "columns": "/datasets/shops.csv/columns",
    "versions": "/datasets/lamps.csv/versions?from=1&to=2",
    "new-run": "/new?task=text-generation&dataset=demo.jsonl&model_name=modelforge-starter&num_train_epochs=20",
    "system": "/system",
    "not-found": "/no/such/page",
}
"""By the names of their pictures."""


def furnish(live: LiveServer) -> None:
    """Data in every state, and a run that has ended."""
    live.upload("shops.csv", SHOPS.encode())
    live.upload("lamps.csv", LAMPS.encode())
    _work(live, "/api/datasets/import", {"sample": "demo"})
    _work(live, "/api/datasets/demo.jsonl/check", {"model_name": "modelforge-starter"})
    _work(live, "/api/datasets/lamps.csv/fixes", {"fixes": ["repair_mojibake"]})
    body = {"task": "text-generation", "model_name": "modelforge-starter", "dataset": "demo.jsonl", "max_steps": 3}
    job = live.wait(live.post("/api/start_training", {**body, "name": "help-desk"})["job_id"])
    assert job["status"] == "completed", job


def _work(live: LiveServer, path: str, body: object) -> None:
    begun = live.post(path, body, status=202)
    until(lambda: live.get(f"/api/operations/{begun['id']}")["status"] != "running", 60)
    assert live.get(f"/api/operations/{begun['id']}")["status"] == "completed"
