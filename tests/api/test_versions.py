"""A dataset's versions and rows over HTTP: what was made of what, what each row says, and what is refused."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.testclient import TestClient

from modelforge.api.keep import keep
from modelforge.api.routes import versions
from modelforge.contracts.dataset import Change
from modelforge.contracts.version import EditRequest
from modelforge.datasets.validate import validate
from modelforge.errors import Conflict, InvalidRequest, NotFound
from modelforge.settings import Settings
from modelforge.store.datasets import get_dataset
from tests.live import jsonl, rows


class Dataset:
    """One of the client's."""

    def __init__(self, client: TestClient, items: list[Any] | bytes, name: str = "faq.jsonl") -> None:
        self.client, self.name = client, name
        self.upload(items)

    def upload(self, items: list[Any] | bytes) -> Any:
        content = items if isinstance(items, bytes) else jsonl(items)
        reply = self.client.post("/api/upload_dataset", files={"file": (self.name, content)})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def get(self, what: str = "", status: int = 200, **query: Any) -> Any:
        reply = self.client.get(f"/api/datasets/{self.name}{what}", params=query)
        assert reply.status_code == status, reply.text
        return reply.json()

    def begin(self, what: str, body: Any, status: int = 202) -> Any:
        reply = self.client.post(f"/api/datasets/{self.name}/{what}", json=body)
        assert reply.status_code == status, reply.text
        return reply.json()

    def ended(self, operation: Any) -> Any:
        end = time.monotonic() + 60
        while operation["status"] == "running":
            assert time.monotonic() < end
            time.sleep(0.02)
            operation = self.client.get(f"/api/operations/{operation['id']}").json()
        return operation

    def make(self, what: str, body: Any) -> Any:
        """What an operation came to."""
        operation = self.ended(self.begin(what, body))
        assert operation["status"] == "completed", operation
        return operation["result"]

    def values(self, **query: Any) -> dict[int, Any]:
        return {each["row"]: each["value"] for each in self.get("/rows", **query)["rows"]}


@pytest.fixture
def faq(client: TestClient) -> Dataset:
    return Dataset(client, rows(12))


def files(settings: Settings) -> set[str]:
    return {path.name for folder in (settings.datasets, settings.scratch) for path in folder.rglob("*")}


# Rows.


def test_rows_are_paged_by_their_numbers(client: TestClient) -> None:
    content = jsonl(rows(8)) + b"\n  \n{not json\n" + jsonl([*rows(4), {"input": "only"}])
    dataset = Dataset(client, content)
    first = dataset.get("/rows", limit=7)
    assert [each["row"] for each in first["rows"]] == [1, 2, 3, 4, 5, 6, 7]
    assert (first["num_rows"], first["last_row"], first["next_offset"]) == (14, 16, 7)
    rest = dataset.get("/rows", offset=7)
    assert [each["row"] for each in rest["rows"]] == [8, 11, 12, 13, 14, 15, 16]
    assert rest["next_offset"] is None and rest["searched_to"] == 16
    bad, incomplete = rest["rows"][1], rest["rows"][-1]
    assert bad["value"] is None and bad["text"] == "{not json" and bad["problems"][0].startswith("not JSON")
    assert incomplete == {"row": 16, "value": {"input": "only"}, "problems": ["field 'output' is missing"], "text": ""}
    assert dataset.get("/rows", offset=16)["rows"] == []


def test_what_json_has_no_word_for_is_shown(client: TestClient) -> None:
    odd = b'{"input": "\\ud83d", "output": "\xf0\x9f\x98\x80", "x": [NaN, -Infinity, 1e999, 12345678901234567890]}\n'
    dataset = Dataset(client, jsonl(rows(10)) + odd)
    value = dataset.values(offset=10)[11]
    assert value == {"input": "\\ud83d", "output": "😀", "x": ["NaN", "-Infinity", "Infinity", 12345678901234567890]}
    edited = dataset.make("edits", {"version": 1, "edits": [{"row": 11, "value": {"input": "x", "output": "y"}}]})
    assert edited["examples"][0]["before"] == value
    assert dataset.get("/comparison", **{"from": 1, "to": 2})["differences"][0]["before"] == value
    half = b'{"version": 2, "edits": [{"row": 1, "value": {"input": "\\ud83d", "output": NaN}}]}'
    reply = client.post("/api/datasets/faq.jsonl/edits", content=half, headers={"content-type": "application/json"})
    assert dataset.ended(reply.json())["result"]["examples"][0]["after"] == {"input": "\\ud83d", "output": "NaN"}
    assert dataset.values(limit=1)[1] == {"input": "\\ud83d", "output": "NaN"}
    Dataset(client, [{"a\ud800": i, "b": "x"} for i in range(10)], "odd.jsonl").get("/mapping")


def test_rows_are_found_by_what_people_read_in_them(client: TestClient) -> None:
    items = rows(10)
    items[3] = {"input": 'Er sagte "Äpfel"\nund ging', "output": "😀 c:\\new"}
    ascii_only, plain = jsonl(items), "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode()
    for name, content in (("ascii.jsonl", ascii_only), ("utf8.jsonl", plain)):
        dataset = Dataset(client, content, name)
        for words in ("äPFEL", '"äpfel"\nund', "😀", "c:\\new", '"input": "er'):
            assert list(dataset.values(search=words)) == [4], words
        assert list(dataset.values(search="WHAT IS", limit=3)) == [1, 2, 3]
        assert dataset.get("/rows", search="what is", limit=3)["next_offset"] == 3
        assert list(dataset.values(search="what is", offset=3, limit=2)) == [5, 6]
        assert dataset.get("/rows", search="nowhere")["searched_to"] == 10


def test_a_search_ends_when_nobody_waits_for_it(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every word but the last that somebody types."""
    Dataset(client, rows(20))
    ended: list[str] = []

    async def endless(module: str, *_: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(module)

    async def hang_up() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def search() -> None:
        here = client.app.state.modelforge  # type: ignore[attr-defined]
        await versions.rows(here, "faq.jsonl", Request({"type": "http"}, hang_up), search="x")

    monkeypatch.setattr(versions, "ask_about", endless)
    with pytest.raises(InvalidRequest, match="went away"):
        asyncio.run(search())
    assert ended == ["datasets.search"]


def test_pages_of_a_large_file_do_not_read_it_all(client: TestClient, settings: Settings) -> None:
    dataset = Dataset(client, [{"input": f"question {i}", "output": "x" * 1000} for i in range(5000)])
    path = Path(dataset.get()["path"])
    assert dataset.values(offset=4321, limit=1)[4322]["input"] == "question 4321"
    index = path.with_name(f".{path.name}.index")
    known = json.loads(index.read_text())
    assert known["last"] == 5000 and len(known["lines"]) >= 5
    index.write_text("{")
    assert dataset.values(offset=4999)[5000]["input"] == "question 4999"
    assert json.loads(index.read_text()) == known
    index.write_text(json.dumps({**known, "size": 1, "offsets": [0] * len(known["offsets"])}))
    assert dataset.values(offset=4999)[5000]["input"] == "question 4999"
    assert len(dataset.get("/rows", limit=1000)["rows"]) == 1000


# Edits.


def test_edits_make_a_version_and_rows_keep_their_numbers(faq: Dataset) -> None:
    new = {"input": "ä", "output": "ö", "more": [1, {"x": None}]}
    result = faq.make(
        "edits", {"version": 1, "edits": [{"row": 2, "value": new}], "deletes": [3, 12], "appends": [{"input": "z"}]}
    )
    assert (result["version"], result["made"], result["parent"], result["num_examples"]) == (2, True, 1, 10)
    assert result["summary"] == "2 rows removed, 1 changed, 1 added"
    after = faq.values()
    assert after[2] == new and 3 not in after and 12 not in after and after[13] == {"input": "z"}
    assert {row: value for row, value in faq.values(version=1).items() if row not in (2, 3, 12)} == {
        row: value for row, value in after.items() if row not in (2, 13)
    }
    faq.make("edits", {"version": 2, "edits": [{"row": 3, "value": {"input": "back", "output": "again"}}]})
    assert faq.values()[3] == {"input": "back", "output": "again"}
    told = [(each["version"], each["parent"], each["change"]["how"]) for each in faq.get("/versions")["versions"]]
    assert told == [(1, None, "upload"), (2, 1, "edit"), (3, 2, "edit")]
    assert faq.get(version=2)["num_examples"] == 10 and faq.get()["version"] == 3


def test_nobodys_edits_are_lost(faq: Dataset, settings: Settings) -> None:
    faq.make("edits", {"version": 1, "deletes": [1]})
    refusal = faq.begin("edits", {"version": 1, "deletes": [2]}, status=409)
    assert "newer version than 1: 2" in refusal["detail"]
    faq.begin("edits", {"version": 7, "deletes": [2]}, status=404)
    # One that came while the edits were being written.
    here = faq.client.app.state.modelforge  # type: ignore[attr-defined]
    with here.database.session() as session:
        first = get_dataset(session, "faq.jsonl", 1)
    written = settings.scratch / "written"
    written.write_bytes(jsonl(rows(11)))
    before = files(settings)
    with pytest.raises(Conflict, match="newer version"):
        asyncio.run(keep(here, written, "faq.jsonl", validate(written), Change(how="edit", summary=""), first))
    assert files(settings) <= before
    written.write_bytes(jsonl(rows(11)))
    faq.client.delete("/api/datasets/faq.jsonl")
    with pytest.raises(NotFound):
        asyncio.run(keep(here, written, "faq.jsonl", validate(written), Change(how="fix", summary=""), first))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"version": 1}, "nothing to do"),
        ({"version": 1, "deletes": [2, 2]}, "row 2 is named twice"),
        ({"version": 1, "deletes": [2], "edits": [{"row": 2, "value": {}}]}, "row 2 is named twice"),
        ({"version": 1, "edits": [{"row": 0, "value": {}}]}, "edits.0.row: must be greater"),
        ({"version": 1, "edits": [{"row": 1, "value": "x"}]}, "edits.0.value: must be a JSON object"),
        ({"version": 1, "edits": ["x"]}, "edits.0: must be a JSON object"),
        ({"version": 1, "delets": [1]}, "Did you mean 'deletes'?"),
        ({"deletes": [1]}, "version"),
    ],
)
def test_edits_that_cannot_be_are_refused(faq: Dataset, body: Any, said: str) -> None:
    assert said in faq.begin("edits", body, status=400)["detail"]


def test_a_row_named_twice_among_very_many_is_found_at_once() -> None:
    """On the event loop: what grows with the square of their number would stop the server for hours."""
    begun = time.monotonic()
    with pytest.raises(ValidationError, match="row 300000 is named twice"):
        EditRequest(version=1, deletes=[*range(1, 300_001), 300_000])
    assert time.monotonic() - begun < 5


def test_a_row_that_is_not_there_cannot_change(faq: Dataset, settings: Settings) -> None:
    before = files(settings)
    operation = faq.ended(faq.begin("edits", {"version": 1, "deletes": [13]}))
    assert operation["status"] == "failed" and "there is no row 13: the last is 12" in operation["error"]
    assert files(settings) == before and faq.get()["version"] == 1


def test_edits_that_leave_too_little_are_refused(faq: Dataset, settings: Settings) -> None:
    before = files(settings)
    operation = faq.ended(faq.begin("edits", {"version": 1, "deletes": [1, 2, 3]}))
    assert operation["status"] == "failed" and operation["error"].startswith(
        "Invalid dataset: 3 rows removed: 9 usable"
    )
    assert files(settings) == before and faq.get("/versions")["total"] == 1


def test_a_cancelled_edit_leaves_nothing(client: TestClient, settings: Settings) -> None:
    dataset = Dataset(client, [{"input": f"question {i}", "output": "x" * 2000} for i in range(30_000)])
    before = files(settings)
    operation = dataset.begin("edits", {"version": 1, "deletes": [1]})
    ended = client.post(f"/api/operations/{operation['id']}/cancel").json()
    assert ended["status"] == "cancelled"
    assert files(settings) == before and dataset.get()["version"] == 1


# Fixes.


def test_fixes_say_what_they_did(client: TestClient) -> None:
    items: list[Any] = rows(10)
    items += [{"input": " Caf\u00c3\u00a9? ", "output": "ring\x07 bob@example.org\n"}, {"input": "no answer"}]
    dataset = Dataset(client, items)
    offers = {each["name"]: each["rows"] for each in dataset.get("/fixes")["fixes"]}
    assert offers["repair_mojibake"] == offers["remove_control_characters"] == offers["trim_whitespace"] == 1
    assert offers["redact_personal_data"] == offers["drop_bad_rows"] == 1
    names = ["drop_bad_rows", "trim_whitespace", "redact_personal_data", "remove_control_characters", "repair_mojibake"]
    tried = dataset.make("fixes", {"fixes": names, "dry_run": True})
    assert not tried["made"] and dataset.get()["version"] == 1 and tried["num_examples"] == 11
    result = dataset.make("fixes", {"fixes": names})
    assert result["made"] and result["summary"] == tried["summary"] == "1 row removed, 1 changed"
    done = {step["name"]: (step["changed"], step["removed"], step["rows"]) for step in result["steps"]}
    assert done == {
        "repair_mojibake": (1, 0, [11]),
        "remove_control_characters": (1, 0, [11]),
        "trim_whitespace": (1, 0, [11]),
        "redact_personal_data": (1, 0, [11]),
        "drop_bad_rows": (0, 1, [12]),
    }
    assert dataset.values(offset=10) == {11: {"input": "Café?", "output": "ring [EMAIL]"}}
    assert result["examples"][0]["after"] == {"input": "Café?", "output": "ring [EMAIL]"}
    again = dataset.make("fixes", {"fixes": names})
    assert not again["made"] and again["version"] == 2 and again["summary"] == "nothing to change"
    change = dataset.get("/versions")["versions"][1]["change"]
    assert change["details"]["fixes"] == names and change["summary"] == result["summary"]
    assert dataset.get("/fixes", version=1)["fixes"][0]["rows"] == 1


def test_doubles_are_removed_once_and_for_all(client: TestClient) -> None:
    long = (
        "The shop at the harbour opens at nine in the morning and closes at six in the evening, every day of the week"
    )
    items: list[Any] = [*rows(10), {"input": "When?", "output": f"{long}."}, {"input": "when? ", "output": f"{long} !"}]
    items += [{"output": "it is the number 3", "input": "what is 3?", "id": 7}, {"input": "what is 4? ", "output": "x"}]
    dataset = Dataset(client, [*items, {"input": "what is 4?", "output": "x"}])
    assert {each["rows"] for each in dataset.get("/fixes")["fixes"][-2:]} == {None}
    exact = dataset.make("fixes", {"fixes": ["drop_exact_duplicates"]})
    assert exact["steps"][0]["rows"] == [13] and exact["summary"] == "1 row removed"
    both = dataset.make("fixes", {"fixes": ["drop_near_duplicates", "drop_exact_duplicates", "trim_whitespace"]})
    done = {step["name"]: (step["changed"], step["removed"], step["rows"]) for step in both["steps"]}
    assert done["drop_exact_duplicates"] == (0, 1, [15]) and done["trim_whitespace"] == (2, 0, [12, 14])
    assert 12 in done["drop_near_duplicates"][2] and both["num_examples"] == 14 - both["steps"][2]["removed"] - 1
    assert both["summary"].endswith(f"removed, {2 - len({12, 14} & set(done['drop_near_duplicates'][2]))} changed")
    assert not dataset.make("fixes", {"fixes": ["drop_near_duplicates", "drop_exact_duplicates"]})["made"]


def test_what_is_learnt_must_be_known_to_find_doubles(client: TestClient) -> None:
    dataset = Dataset(client, [{"x": f"{i}"} for i in range(10)])
    refusal = dataset.begin("fixes", {"fixes": ["trim_whitespace", "drop_exact_duplicates"]}, status=400)
    assert "map its columns" in refusal["detail"]


def test_a_fix_spares_what_it_would_spoil(client: TestClient) -> None:
    items = [{"prompt": "p", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(10)]
    dataset = Dataset(client, [*items, {"prompt": "p", "chosen": "same ", "rejected": "same"}])
    result = dataset.make("fixes", {"fixes": ["trim_whitespace"]})
    assert not result["made"] and result["steps"][0]["spared"] == 1
    assert dataset.get()["num_examples"] == 11


def test_answers_are_found_where_they_stand_after_a_fix(client: TestClient) -> None:
    context = " nine or nine "
    items = [{"context": context, "question": f"When {i}?", "answer": "nine", "answer_start": 9} for i in range(10)]
    hub = {"context": context, "question": "When?", "answers": {"text": ["nine", "or"], "answer_start": [1, 6]}}
    dataset = Dataset(client, [*items, hub])
    assert dataset.make("fixes", {"fixes": ["trim_whitespace"]})["num_examples"] == 11
    after = dataset.values()
    assert after[1]["answer_start"] == 8 and after[11]["answers"]["answer_start"] == [0, 5]


@pytest.mark.parametrize("fixes", [[], ["mend_all"], None])
def test_fixes_that_are_none_are_refused(faq: Dataset, fixes: Any) -> None:
    faq.begin("fixes", {"fixes": fixes}, status=400)


# Mappings.


def test_a_mapping_is_suggested_applied_and_offered_again(client: TestClient) -> None:
    table = [{"Nr": i, "Kundenfrage": f"Wann am {i}.?", "Unsere Antwort": f"Um {i} Uhr."} for i in range(12)]
    dataset = Dataset(client, table, "tabelle.jsonl")
    found = dataset.get("/mapping")
    assert [column["name"] for column in found["columns"]] == ["Nr", "Kundenfrage", "Unsere Antwort"]
    best = found["suggestions"][0]
    assert best["mapping"] == {
        "shape": "input_output",
        "fields": {"input": "{Kundenfrage}", "output": "{Unsere Antwort}"},
    }
    assert best["usable"] == best["looked_at"] == 12 and "Kundenfrage" in best["reason"]
    own = {"shape": "input_output", "fields": {"input": "{Nr}. {Kundenfrage} {{?}}", "output": "{Unsere Antwort}"}}
    result = dataset.make("mapping", own)
    assert result["num_examples"] == 12 and result["validation"]["shape"] == "input_output"
    assert dataset.values()[2] == {"input": "1. Wann am 1.? {?}", "output": "Um 1 Uhr."}
    dataset.upload([{**row, "Nr": 100} for row in table])
    again = dataset.get("/mapping")["suggestions"][0]
    assert again["mapping"] == own and "before" in again["reason"]
    same = {"shape": "input_output", "fields": {"input": "{input}", "output": "{output}"}}
    assert not dataset.make("mapping", {"version": 2, **same})["made"]


def test_columns_are_known_from_few_rows_where_they_are_large(client: TestClient) -> None:
    """The server holds them: two hundred of the longest would be gigabytes."""
    large = [{"frage": f"{i}? " + "x" * 1_500_000, "antwort": "y"} for i in range(12)]
    dataset = Dataset(client, large, "large.jsonl")
    found = dataset.get("/mapping")
    assert found["suggestions"][0]["looked_at"] < 5
    assert [column["name"] for column in found["columns"]] == ["frage", "antwort"]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"shape": "input_output", "fields": {"input": "{input}"}}, "map input and output"),
        ({"shape": "input_output", "fields": {"inptu": "{input}", "output": "x"}}, "Did you mean 'input'?"),
        ({"shape": "inputs", "fields": {"input": "{input}"}}, "input_output"),
        ({"shape": "input_output", "fields": {"input": "{input", "output": "x"}}, "brace"),
        ({"shape": "text", "fields": {}}, "fields"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(faq: Dataset, mapping: Any, said: str) -> None:
    assert said in faq.begin("mapping", mapping, status=400)["detail"]


def test_a_column_that_no_row_has_cannot_be_mapped(faq: Dataset) -> None:
    mapping = {"shape": "input_output", "fields": {"input": "{inptu}", "output": "{output}"}}
    operation = faq.ended(faq.begin("mapping", mapping))
    assert operation["error"] == "Invalid request: there is no column 'inptu'. Did you mean 'input'?"


def test_a_column_that_cannot_be_sent_is_told_of(client: TestClient) -> None:
    dataset = Dataset(client, [{"input\ud800": f"{i}"} for i in range(10)])
    operation = dataset.ended(dataset.begin("mapping", {"shape": "text", "fields": {"text": "{input}"}}))
    assert operation["error"].endswith("there is no column 'input'. Did you mean 'input\\ud800'?")


# Comparisons.


def test_versions_of_one_upload_are_compared_row_by_row(faq: Dataset) -> None:
    faq.make("edits", {"version": 1, "edits": [{"row": 2, "value": {"input": "what is 1?", "output": "one"}}]})
    faq.make("edits", {"version": 2, "deletes": [5], "appends": [{"input": "a", "output": "b"}]})
    found = faq.get("/comparison", **{"from": 1, "to": 3})
    assert [found[key] for key in ("by", "same", "added", "removed", "changed", "total")] == ["row", 10, 1, 1, 1, 3]
    changed, removed, added = found["differences"]
    assert (changed["kind"], changed["from_row"], changed["fields"]) == ("changed", 2, ["output"])
    assert (removed["kind"], removed["from_row"], removed["to_row"], removed["after"]) == ("removed", 5, None, None)
    assert (added["kind"], added["to_row"], added["after"]) == ("added", 13, {"input": "a", "output": "b"})
    back = faq.get("/comparison", offset=1, limit=1, **{"from": 3, "to": 1})
    assert [each["kind"] for each in back["differences"]] == ["added"] and back["total"] == 3
    assert faq.get("/comparison", **{"from": 2, "to": 2})["total"] == 0
    faq.get("/comparison", status=404, **{"from": 1, "to": 9})


def test_uploads_are_compared_by_what_stands_in_them(faq: Dataset) -> None:
    items: list[Any] = rows(12)
    other = [{"output": "one", "input": "what is 1?"} if i == 1 else item for i, item in enumerate(items)]
    other = [*other[:6], {"input": "new", "output": "row"}, *other[6:11]]
    written = "".join(json.dumps(dict(reversed(item.items())), separators=(",", ":")) + "\n" for item in other)
    faq.upload(written.encode())
    found = faq.get("/comparison", **{"from": 1, "to": 2})
    assert [found[key] for key in ("by", "same", "added", "removed", "changed")] == ["content", 10, 1, 1, 1]
    kinds = {each["kind"]: (each["from_row"], each["to_row"]) for each in found["differences"]}
    assert kinds == {"changed": (2, 2), "added": (None, 7), "removed": (12, None)}


def test_an_unknown_dataset_is_told_of_everywhere(faq: Dataset) -> None:
    faq.name = "fag.jsonl"
    for what in ("/versions", "/rows", "/rows?search=x", "/fixes", "/mapping", "/comparison?from=1&to=2"):
        assert "Did you mean 'faq.jsonl'?" in faq.client.get(f"/api/datasets/fag.jsonl{what}").json()["detail"]
    faq.begin("edits", {"version": 1, "deletes": [1]}, status=404)
    faq.begin("fixes", {"fixes": ["trim_whitespace"]}, status=404)
    faq.begin("mapping", {"shape": "text", "fields": {"text": "{input}"}}, status=404)


def test_rows_of_a_spreadsheet_keep_the_numbers_that_it_shows(client: TestClient) -> None:
    table = "Frage;Antwort\n" + "".join(f"Was ist {i}?;Es ist {i}\n" for i in range(12)) + "leer;\nkaputt;x;y\n"
    dataset = Dataset(client, table.encode("cp1252"), "faq.csv")
    mapping = {"shape": "input_output", "fields": {"input": "{Frage}", "output": "{Antwort}"}}
    assert dataset.get("/mapping")["suggestions"][0]["mapping"] == mapping
    result = dataset.make("mapping", mapping)
    assert result["validation"]["errors"] == ["row 14: field 'output' is empty"], result["validation"]
    assert result["validation"]["source"] == dataset.get(version=1)["validation"]["source"]
    edited = dataset.make("edits", {"version": 2, "deletes": [2], "appends": [{"input": "new"}]})
    errors = edited["validation"]["errors"]
    assert "row 14: field 'output' is empty" in errors and edited["num_examples"] == 11
    assert "added row 1: field 'output' is missing" in errors
    assert dataset.values(offset=12)[15] == {"input": "new"} and 14 not in dataset.values()


def test_versions_are_never_changed_by_later_ones(faq: Dataset) -> None:
    before = Path(faq.get()["path"]).read_bytes()
    faq.make("edits", {"version": 1, "deletes": [1]})
    faq.make("fixes", {"version": 1, "fixes": ["drop_bad_rows"]})
    assert Path(faq.get(version=1)["path"]).read_bytes() == before
    assert {each["sha256"] for each in faq.get("/versions")["versions"]} == {
        faq.get(version=v)["sha256"] for v in (1, 2)
    }


@pytest.mark.parametrize("module", ["revise", "search", "compare"])
def test_processes_that_work_on_rows_start_at_once(module: str) -> None:
    """They load none of what the server is made of."""
    heavy = "{'pydantic', 'fastapi', 'sqlalchemy', 'numpy', 'ftfy'} & set(sys.modules)"
    code = f"import sys, modelforge.datasets.{module}; sys.exit(str({heavy}) if {heavy} else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)
