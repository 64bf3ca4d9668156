"""A closer look at a dataset, through a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from modelforge.store.database import Database
from modelforge.store.tables import DatasetRow
from tests.datasets.planted import planted
from tests.live import LiveServer, jsonl, rows, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("examined"))
    try:
        yield server.start()
    finally:
        server.close()


def ended(server: LiveServer, operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def done() -> bool:
        found.update(server.get(f"/api/operations/{operation['id']}"))
        return found["status"] != "running"

    until(done, 120)
    return found


def test_a_dataset_is_looked_at_and_keeps_what_was_found(server: LiveServer) -> None:
    data = planted(400, 60, seed=2)
    server.upload("near.jsonl", jsonl([*data.rows, data.rows[0]]))
    assert server.get("/api/datasets/near.jsonl")["examination"] is None
    wanted = {"near_duplicates": "all", "model_name": "modelforge-starter", "max_seq_length": 100}
    begun = server.post("/api/datasets/near.jsonl/check", wanted, 202)
    assert (begun["kind"], begun["dataset"], begun["status"]) == ("check", "near.jsonl", "running")
    done = ended(server, begun)
    assert done["status"] == "completed", done
    found = done["result"]
    assert (found["version"], found["rows"], found["exact_duplicates"]) == (1, len(data.rows) + 1, 1)
    assert found["near_duplicates"]["scope"] == "all"
    assert abs(found["near_duplicates"]["near"]["found"] - len(data.near)) <= 0.05 * len(data.near)
    lengths = found["token_lengths"]
    assert (lengths["model_name"], lengths["max_seq_length"]) == ("modelforge-starter", 100)
    assert lengths["cut"]["found"] + lengths["cut_away"]["found"] > 0
    assert server.get("/api/datasets/near.jsonl")["examination"] == found
    offers = {offer["name"]: offer for offer in server.get("/api/datasets/near.jsonl/fixes")["fixes"]}
    assert offers["drop_bad_rows"]["rows"] == 0
    assert not list(server.home.rglob("examination-*"))


def test_a_look_that_is_cancelled_leaves_nothing(server: LiveServer) -> None:
    server.upload("long.jsonl", jsonl(planted(6000, 100, seed=3).rows))
    begun = server.post("/api/datasets/long.jsonl/check", {"model_name": "modelforge-starter"}, 202)
    until(lambda: server.get(f"/api/operations/{begun['id']}")["progress"] > 0, 60)
    assert server.post(f"/api/operations/{begun['id']}/cancel")["status"] == "cancelled"
    assert server.get("/api/datasets/long.jsonl")["examination"] is None
    until(lambda: not [*server.home.rglob("examination-*"), *server.home.rglob(".revision-*")], 10)


def test_two_datasets_are_looked_at_beside_each_other(server: LiveServer) -> None:
    server.upload("learnt.jsonl", jsonl(rows(60)))
    server.upload("measured.jsonl", jsonl([*rows(20), *planted(30, 0, seed=8).rows]))
    done = ended(server, server.post("/api/datasets/learnt.jsonl/check", {"against": "measured.jsonl"}, 202))
    assert done["result"]["near_duplicates"]["shared"]["found"] >= 20
    finding = next(each for each in done["result"]["findings"] if each["code"] == "shared_rows")
    assert finding["place"] == "line 1 of the other dataset"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"against": "nowhere.jsonl"}, 404, "there is no dataset 'nowhere.jsonl'"),
        ({"version": 7}, 404, "no version 7"),
        ({"max_seq_length": 10}, 400, "max_seq_length: rows are measured in a model's tokens; add its model_name"),
        ({"model_name": "modelforge-starter", "strategy": "dpo"}, 400, "has the fields input and output"),
        ({"near_duplicate": "all"}, 400, "near_duplicates"),
        ({"sample": 5}, 400, "sample"),
        ({"version": 10**30}, 400, "version: must be less"),
        ({"against": "asked.jsonl", "against_version": 10**30}, 400, "against_version: must be less"),
        ({"against": "x" * 5000}, 400, "against: must have at most"),
        ({"model_name": "x" * 2000}, 400, "model_name: must have at most"),
        ({"model_name": "modelforge-starter", "max_seq_length": 2**21}, 400, "max_seq_length: must be less"),
    ],
)
def test_what_cannot_be_asked(server: LiveServer, body: dict[str, Any], status: int, words: str) -> None:
    server.upload("asked.jsonl", jsonl(rows(20)))
    assert words in server.post("/api/datasets/asked.jsonl/check", body, status)["detail"]


def test_columns_that_are_not_known_are_mapped_first(server: LiveServer) -> None:
    server.upload("odd.jsonl", jsonl([{"q": f"what {n}", "a": f"that {n}"} for n in range(20)]))
    assert "map its columns first" in server.post("/api/datasets/odd.jsonl/check", {}, 400)["detail"]


def test_a_secret_is_told_of_and_not_told(server: LiveServer, tmp_path: Path) -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    mail = "ada.lovelace" + "@example.com"
    data = rows(20)
    data[4]["output"] = f"the key is {key}, and write to {mail}"
    reply = server.upload("secret.jsonl", jsonl(data))
    told = {finding["code"]: finding for finding in reply["validation"]["findings"]}
    assert told["secret"]["rows"] == told["email_address"]["rows"] == [5]
    assert reply["validation"]["valid"] and reply["validation"]["errors"] == []
    whole = str(reply) + str(server.get("/api/datasets/secret.jsonl"))
    assert key not in whole and mail not in whole
    assert "AKIA****************" in told["secret"]["excerpt"]


def test_a_task_and_a_strategy_that_never_go_together(server: LiveServer) -> None:
    """By the fields the strategy is dpo, which no summary is learnt with."""
    server.upload("pairs.jsonl", jsonl([{"prompt": f"{n}?", "chosen": "a", "rejected": "b"} for n in range(20)]))
    asked = {"model_name": "modelforge-starter", "task": "summarization"}
    refusal = server.post("/api/datasets/pairs.jsonl/check", asked, 400)
    assert "text-generation" in refusal["detail"]


def test_what_was_found_goes_with_the_dataset(server: LiveServer) -> None:
    """It shows rows."""
    server.upload("gone.jsonl", jsonl([*rows(20), {"input": "known to nobody"}]))
    ended(server, server.post("/api/datasets/gone.jsonl/check", {}, 202))
    database = Database(server.home / "modelforge.db")
    chosen = select(DatasetRow).where(DatasetRow.filename == "gone.jsonl")
    with database.session() as session:
        row = session.scalars(chosen).one()
        assert "known to nobody" in str(row.report) and row.examination is not None
    server.call("DELETE", "/api/datasets/gone.jsonl")
    with database.session() as session:
        row = session.scalars(chosen).one()
        assert (row.deleted, row.report, row.examination, row.change) == (True, {}, None, {})
    database.close()
