"""From a file to what the model sees: uploads, the report, fixes, rows, columns, a closer look, versions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import FileChooser, Locator, Page, expect

from tests.hub.small_hub import small_hub
from tests.live import LiveServer, jsonl, rows, until
from tests.studio.conftest import Open, in_full

LAMPS = "input,output\n" + "".join(
    f"How much is lamp {i}?,Lamp {i} of the cafÃ© costs {3 * i} pounds.\n" for i in range(60)
)
LAMPS += "What is this?,\n" * 3
SHOPS = "frage;antwort;nr\n" + "".join(f"Wann öffnet Laden {i}?;Um {i % 12} Uhr.;{i}\n" for i in range(40))


def figure(page: Page, label: str) -> Locator:
    return page.locator("dl > div", has=page.get_by_text(label, exact=True)).locator("dd")


def choose(page: Page, *paths: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(list(paths))


def arrival(page: Page) -> Locator:
    return page.get_by_role("list", name="Arriving").get_by_role("listitem")


def row(page: Page, line: int) -> Locator:
    """Of the table of rows."""
    return page.get_by_role("row", name=f"Choose line {line} ")


@pytest.fixture
def lamps(tmp_path: Path) -> Path:
    path = tmp_path / "lamps.csv"
    path.write_text(LAMPS)
    return path


def test_a_file_is_dropped_reported_and_mended(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/datasets")
    handle = page.evaluate_handle(
        "text => { const data = new DataTransfer(); data.items.add(new File([text], 'lamps.csv')); return data; }",
        LAMPS,
    )
    target = page.get_by_text("Drop files here")
    target.dispatch_event("dragover", {"dataTransfer": handle})
    target.dispatch_event("drop", {"dataTransfer": handle})
    page.get_by_role("link", name="See the report").click()
    expect(figure(page, "Usable examples")).to_have_text("60")
    expect(figure(page, "Rows not usable")).to_have_text("3")

    empty = page.get_by_role("listitem").filter(has_text="field 'output' is empty")
    expect(empty.get_by_text('"What is this?"')).to_be_visible()
    empty.get_by_role("link", name="Line 61", exact=True).click()
    expect(row(page, 61).get_by_text("is empty")).to_be_visible()
    page.go_back()

    fixes = page.get_by_role("region", name="Fixes")
    expect(fixes.get_by_label("Remove rows that cannot be trained on")).to_be_checked()
    fixes.get_by_role("button", name="Try without changing").click()
    expect(fixes.get_by_text("60 usable examples afterwards")).to_be_visible()
    expect(fixes.get_by_text("Lamp 0 of the café costs 0 pounds.")).to_be_visible()
    assert len(server.get("/api/datasets/lamps.csv/versions")["versions"]) == 1
    fixes.get_by_role("button", name="Apply in a new version").click()
    expect(page.get_by_text("Every row can be trained on")).to_be_visible()

    page.get_by_role("link", name="Versions", exact=True).click()
    page.get_by_role("link", name="With version 1").click()
    expect(page.get_by_text("0 the same, 0 added, 3 removed, 60 changed")).to_be_visible()
    page.get_by_role("link", name="Version 1", exact=True).click()
    expect(page.get_by_text("You look at version 1")).to_be_visible()
    expect(figure(page, "Rows not usable")).to_have_text("3")


@in_full
def test_a_file_that_is_no_data_is_refused_in_words(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_bytes(jsonl(rows(3)))
    page = visit(server, "/datasets")
    choose(page, path)
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("10")
    page.get_by_role("button", name="Dismiss few.jsonl").click()
    expect(refusal).not_to_be_visible()
    until(lambda: server.get("/api/uploads")["uploads"] == [], 10)
    assert "few.jsonl" not in [each["filename"] for each in server.get("/api/datasets")["datasets"]]


SECOND_PIECE = re.compile(r"([89]\.\d|1\d) MB of")


def nothing_of(server: LiveServer, name: str) -> bool:
    datasets = server.get("/api/datasets")["datasets"]
    return server.get("/api/uploads")["uploads"] == [] and name not in [each["filename"] for each in datasets]


def large(path: Path) -> Path:
    """Some 20 MB: three pieces."""
    answer = "word " * 200
    path.write_bytes(jsonl([{"input": f"question {i}", "output": f"{answer}{i}"} for i in range(20_000)]))
    return path


class Network:
    """The network between a page and its server, as good or bad as a test wants it."""

    def __init__(self, page: Page) -> None:
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.send("Network.enable")

    def be(self, *, upload: int = -1, offline: bool = False) -> None:
        """So many bytes a second."""
        self._devtools.send(
            "Network.emulateNetworkConditions",
            {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload},
        )


@in_full
def test_a_large_file_goes_on_after_a_broken_connection(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    page = visit(server, "/datasets", expected=("Failed to load resource", "WebSocket connection"))
    network = Network(page)
    network.be(upload=3_000_000)
    choose(page, large(tmp_path / "large.jsonl"))
    item = arrival(page)
    expect(item).to_contain_text(SECOND_PIECE)
    network.be(offline=True)
    expect(item).to_contain_text("It goes on from where it stopped")
    network.be()
    expect(item).to_contain_text("20,000 usable examples", timeout=60_000)
    assert server.get("/api/datasets/large.jsonl")["num_examples"] == 20_000
    assert server.get("/api/uploads")["uploads"] == []


@in_full
def test_an_upload_is_cancelled_and_leaves_nothing(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    page = visit(server, "/datasets")
    Network(page).be(upload=3_000_000)
    choose(page, large(tmp_path / "cancelled.jsonl"))
    item = arrival(page)
    expect(item).to_contain_text(SECOND_PIECE)
    page.get_by_role("button", name="Cancel cancelled.jsonl").click()
    expect(item).to_contain_text("Nothing of it was kept")
    assert nothing_of(server, "cancelled.jsonl")


@in_full
def test_one_that_is_read_is_cancelled_and_leaves_nothing(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    page = visit(server, "/datasets")
    path = tmp_path / "read.csv"
    path.write_text("input,output\n" + "".join(f"{i},{'x' * 300}\n" for i in range(300_000)))
    choose(page, path)
    expect(arrival(page)).to_contain_text("reading", ignore_case=True)
    page.get_by_role("button", name="Cancel read.csv").click()
    expect(arrival(page)).to_contain_text("Nothing of it was kept")
    assert nothing_of(server, "read.csv")


@in_full
def test_an_upload_is_seen_and_cancelled_while_the_server_does_not_answer(
    server: LiveServer, visit: Open, lamps: Path
) -> None:
    page = visit(server, "/datasets")
    page.route("**/api/uploads", lambda _: None)
    choose(page, lamps)
    expect(arrival(page)).to_contain_text("lamps.csv", timeout=1000)
    expect(arrival(page).get_by_role("status")).to_have_text("On its way")
    page.get_by_role("button", name="Cancel lamps.csv").click()
    expect(arrival(page)).to_contain_text("Nothing of it was kept")


@in_full
def test_a_file_that_is_chosen_twice_comes_twice(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    page = visit(server, "/datasets")
    network = Network(page)
    network.be(upload=3_000_000)
    path = large(tmp_path / "twice-sent.jsonl")
    choose(page, path)
    expect(arrival(page)).to_contain_text("MB of")
    choose(page, path)
    until(lambda: page.wait_for_timeout(50) or len(server.get("/api/uploads")["uploads"]) == 2, 30)
    page.get_by_role("button", name="Cancel twice-sent.jsonl").first.click()
    expect(arrival(page).first).to_contain_text("Nothing of it was kept")
    network.be()
    expect(arrival(page).last).to_contain_text("20,000 usable examples")


@in_full
def test_a_file_that_changes_meanwhile_is_told_of(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    page = visit(server, "/datasets", expected=("Failed to load resource",))
    Network(page).be(upload=3_000_000)
    path = large(tmp_path / "changing.jsonl")
    choose(page, path)
    expect(arrival(page)).to_contain_text("MB of")
    path.write_text("{}")
    expect(arrival(page).get_by_role("alert")).to_contain_text("changed, moved or deleted on this computer")
    page.get_by_role("button", name="Dismiss changing.jsonl").click()
    until(lambda: server.get("/api/uploads")["uploads"] == [], 10)


@in_full
def test_what_was_refused_is_read_in_another_way(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"notes": [{"made": "by hand"}], "faq": rows(20)}))
    page = visit(server, "/datasets")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PATCH" else None)
    choose(page, path)
    expect(page.get_by_role("alert")).to_contain_text("the columns are 'notes', 'faq'")
    page.get_by_text("Read it in another way").click()
    page.get_by_label("Field that holds the rows").fill("fak")
    page.get_by_role("button", name="Read again").click()
    expect(page.get_by_role("alert")).to_contain_text("without a field 'fak'")
    page.get_by_text("Read it in another way").click()
    page.get_by_label("Field that holds the rows").fill("faq")
    page.get_by_role("button", name="Read again").click()
    expect(arrival(page)).to_contain_text("20 usable examples")
    assert len(sent) == 1
    assert server.get("/api/uploads")["uploads"] == []


@in_full
def test_files_of_the_servers_machine_are_brought(server: LiveServer, visit: Open, tmp_path: Path) -> None:
    folder = tmp_path / "questions here"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.jsonl").write_bytes(jsonl(rows(30)[15 * number :][:15]))
    page = visit(server, "/datasets", expected=("Failed to load resource",))
    opener = page.get_by_role("button", name="The server's machine")
    opener.click()
    page.get_by_role("textbox", name="File or folder").fill(str(folder / "none"))
    page.get_by_role("button", name="Bring it here").click()
    expect(page.get_by_role("alert")).to_contain_text("there is no file or folder")
    page.get_by_role("textbox", name="File or folder").fill(str(folder))
    page.get_by_role("textbox", name="Call it here").fill("questions.jsonl")
    page.get_by_role("button", name="Bring it here").click()
    expect(arrival(page)).to_contain_text("30 usable examples")
    expect(opener).to_be_focused()
    expect(page.get_by_role("link", name="questions.jsonl")).to_be_visible()


@in_full
def test_the_hubs_datasets_are_brought(alone: LiveServer, visit: Open, tmp_path: Path) -> None:
    data = tmp_path / "repository" / "data"
    data.mkdir(parents=True)
    (data / "train.jsonl").write_bytes(jsonl(rows(20)))
    (data / "test.jsonl").write_bytes(jsonl(rows(12)))
    both = {"ada/faq": data.parent, "ada/slow": data.parent}
    with small_hub(datasets=both, slow={"ada/slow"}) as (url, _):
        alone.environment = {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), "HF_TOKEN": ""}
        page = visit(alone.start(), "/datasets")

        def bring(name: str, split: str = "") -> None:
            page.get_by_role("button", name="The Hugging Face hub").click()
            page.get_by_role("textbox", name="Dataset").fill(name)
            page.get_by_role("textbox", name="Split").fill(split)
            page.get_by_role("button", name="Bring it here").click()

        bring("ada/faq", "test")
        expect(arrival(page)).to_contain_text("12 usable examples")
        expect(page.get_by_role("link", name="faq-test.jsonl")).to_be_visible()
        bring("ada/none")
        expect(arrival(page).last.get_by_role("alert")).to_contain_text("the hub has no dataset 'ada/none'")
        bring("ada/slow")
        page.reload()
        expect(arrival(page)).to_contain_text("ada/slow")
        page.get_by_role("button", name="Cancel ada/slow").click()
        expect(arrival(page)).to_contain_text("Cancelled")
        assert all(each["status"] != "running" for each in alone.get("/api/operations")["operations"])


@in_full
def test_without_a_network_the_hub_says_so(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/datasets")
    page.get_by_role("button", name="The Hugging Face hub").click()
    page.get_by_role("textbox", name="Dataset").fill("ada/faq")
    page.get_by_role("button", name="Bring it here").click()
    expect(page.get_by_role("alert")).to_contain_text("the hub is not asked, because HF_HUB_OFFLINE is set")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_rows_are_changed_by_hand(server: LiveServer, visit: Open) -> None:
    server.upload("by-hand.csv", LAMPS.encode())
    page = visit(server, "/datasets/by-hand.csv")
    page.get_by_role("link", name="Change line 61 by hand").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("field 'output' is empty")
    expect(dialog.get_by_role("textbox", name="input")).to_be_focused()
    dialog.get_by_role("textbox", name="output").fill("A lamp.")
    dialog.get_by_role("button", name="Save in a new version").click()
    expect(page.get_by_text("go back to version 1 under Versions")).to_be_visible()
    expect(dialog).not_to_be_visible()
    expect(row(page, 61)).to_contain_text("A lamp.")
    (changed,) = server.get("/api/datasets/by-hand.csv/rows", offset=60, limit=1)["rows"]
    assert changed["value"] == {"input": "What is this?", "output": "A lamp."}

    for line in (62, 63):
        page.get_by_role("checkbox", name=f"Choose line {line}").check()
    page.get_by_role("button", name="Delete in a new version").click()
    expect(page.get_by_text("61 rows in all")).to_be_visible()
    expect(page.get_by_role("button", name="Delete in a new version")).not_to_be_visible()
    page.get_by_role("link", name="Versions", exact=True).click()
    expect(page.get_by_role("cell", name="Edited")).to_have_count(2)
    page.get_by_role("link", name="Version 1", exact=True).click()
    page.get_by_role("link", name="Rows", exact=True).click()
    expect(page.get_by_role("cell", name="How much is lamp 0?")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_role("link", name="Train on it")).to_have_attribute("href", re.compile("dataset_version=1"))


@in_full
def test_a_row_that_cannot_be_changed_so_says_why(server: LiveServer, visit: Open) -> None:
    own = [{**each, "tags": ["a"], "id": 2**60} for each in rows(10)]
    server.upload("strict.jsonl", jsonl([*own, {"input": "x", "output": "y", "tags": ["a"]}]))
    page = visit(server, "/datasets/strict.jsonl/rows?edit=11", expected=("Failed to load resource",))
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="tags").fill("[")
    dialog.get_by_role("button", name="Save in a new version").click()
    expect(dialog).to_contain_text("This is no JSON")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    page.get_by_role("link", name="Change line 1", exact=True).click()
    expect(dialog).to_contain_text("whole number of more than 15 digits")
    expect(dialog.get_by_role("button", name="Save in a new version")).to_have_count(0)
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Change line 11", exact=True).click()
    dialog.get_by_role("textbox", name="input").fill("mine")
    elsewhere = {"version": 1, "edits": [{"row": 11, "value": {"input": "theirs", "output": "y"}}]}
    begun = server.post("/api/datasets/strict.jsonl/edits", elsewhere, status=202)
    until(lambda: server.get(f"/api/operations/{begun['id']}")["status"] == "completed", 30)
    dialog.get_by_role("button", name="Save in a new version").click()
    expect(dialog.get_by_role("alert")).to_contain_text("a newer version than 1")
    page.keyboard.press("Escape")
    expect(row(page, 11)).to_contain_text("theirs")

    for line in range(1, 4):
        page.get_by_role("checkbox", name=f"Choose line {line}", exact=True).check()
    page.get_by_role("button", name="Delete in a new version").click()
    expect(page.get_by_role("alert")).to_contain_text("at least 10 are needed")


@in_full
def test_columns_are_mapped_once(server: LiveServer, visit: Open) -> None:
    server.upload("shops.csv", SHOPS.encode())
    page = visit(server, "/datasets/shops.csv")
    page.get_by_role("link", name="Map columns").click()
    expect(page.get_by_role("textbox", name="Question or instruction")).to_have_value("{frage}")
    page.get_by_role("textbox", name="Answer").fill("")
    page.get_by_role("button", name="Put antwort into Answer").click()
    page.get_by_role("button", name="Put nr into Answer").click()
    expect(page.get_by_role("textbox", name="Answer")).to_have_value("{antwort} {nr}")
    page.get_by_role("button", name="Map in a new version").click()
    expect(page.get_by_text("Every row can be trained on")).to_be_visible()
    (row, *_) = server.get("/api/datasets/shops.csv/rows")["rows"]
    assert row["value"] == {"input": "Wann öffnet Laden 0?", "output": "Um 0 Uhr. 0"}


@in_full
def test_rows_are_paged_and_searched_by_the_address(server: LiveServer, visit: Open) -> None:
    server.upload("many.jsonl", jsonl(rows(120)))
    page = visit(server, "/datasets/many.jsonl/rows")
    expect(page.get_by_text("120 rows in all")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page).to_have_url(f"{server.url}/datasets/many.jsonl/rows?after=50")
    expect(page.get_by_role("cell", name="what is 50?")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("cell", name="what is 0?")).to_be_visible()
    page.get_by_label("Search in all rows").fill("NUMBER 77")
    expect(page.get_by_role("cell", name="what is 77?")).to_be_visible()
    expect(page.get_by_role("cell", name="what is 0?")).not_to_be_visible()
    page.reload()
    expect(page.get_by_role("cell", name="what is 77?")).to_be_visible()
    page.get_by_label("Search in all rows").fill("nowhere")
    expect(page.get_by_text("No row has that")).to_be_visible()


@in_full
def test_a_search_is_given_up_for_the_next(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/datasets/rows.jsonl/rows")
    expect(page.get_by_text("40 rows in all")).to_be_visible()
    page.route("**/rows?*search=first*", lambda _: None)
    with page.expect_event("requestfailed", lambda request: "search=first" in request.url):
        with page.expect_request("**/rows?*search=first*"):
            page.get_by_label("Search in all rows").fill("first")
        page.get_by_label("Search in all rows").fill("number 7")
    expect(page.get_by_role("cell", name="what is 7?")).to_be_visible()


@in_full
def test_what_is_long_is_folded(server: LiveServer, visit: Open) -> None:
    server.upload("long.jsonl", jsonl([{"input": f" {i}", "output": f"{'word ' * 100}{i}"} for i in range(12)]))
    page = visit(server, "/datasets/long.jsonl?version=1")
    page.get_by_role("button", name="Try without changing").click()
    outcome = page.get_by_text("It would come out so")
    expect(outcome).to_be_visible()
    folded = page.locator("details", has_text="word word")
    expect(folded).to_have_count(2 * 5)
    expect(folded.first).not_to_have_attribute("open", "")
    page.get_by_role("button", name="Apply in a new version").click()
    expect(page.get_by_text("Version 2 was made")).to_be_visible()
    page.get_by_role("link", name="Versions", exact=True).click()
    page.get_by_role("link", name="With version 1").click()
    expect(page.get_by_text("12 changed")).to_be_visible()
    expect(page.locator("details")).to_have_count(0)

    # What was tried is of the version that it was tried with.
    page.get_by_role("link", name="Version 1", exact=True).click()
    page.get_by_role("button", name="Try without changing").click()
    expect(outcome).to_be_visible()
    page.get_by_role("link", name="See the newest").click()
    expect(outcome).not_to_be_visible()


@in_full
def test_what_the_model_learns_is_marked(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/datasets/rows.jsonl/preview?line=2")
    row = page.get_by_role("region", name="Line 2")
    expect(row.locator("mark")).to_contain_text("it is the number 1")
    expect(row.locator("mark")).not_to_contain_text("what is 1?")
    expect(row).to_contain_text("what is 1?")
    told = server.post(
        "/api/datasets/rows.jsonl/preview",
        {"task": "text-generation", "model_name": "modelforge-starter", "rows": [2]},
    )
    (sequence,) = told["rows"][0]["examples"][0]["sequences"]
    expect(row).to_contain_text(f"{sequence['num_tokens']} tokens, {sequence['num_trained']} learnt")
    line = page.get_by_role("textbox", name="From line")
    line.press("Control+A")
    line.press("Backspace")
    line.press_sequentially("5")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("line=5"))


@in_full
def test_a_closer_look_counts_what_would_be_cut(server: LiveServer, visit: Open) -> None:
    server.upload("twice.jsonl", jsonl([*rows(30), *rows(5)]))
    page = visit(server, "/datasets/twice.jsonl/closer")
    page.get_by_label("Longest row, in tokens").fill("8")
    page.get_by_role("button", name="Look closer").click()
    expect(figure(page, "Exact duplicates")).to_have_text("5", timeout=60_000)
    expect(figure(page, "Rows whose answer is cut away")).to_contain_text("100 %")
    lengths = server.get("/api/datasets/twice.jsonl")["examination"]["token_lengths"]
    bars = page.get_by_role("table").get_by_role("row")
    expect(bars).to_have_count(len(lengths["histogram"]) + 1)
    page.reload()
    expect(figure(page, "Exact duplicates")).to_have_text("5")


@in_full
def test_a_closer_look_goes_on_without_its_page(server: LiveServer, visit: Open) -> None:
    server.upload("many-alike.jsonl", jsonl(rows(60_000)))
    page = visit(server, "/datasets/many-alike.jsonl/closer")
    page.get_by_role("combobox", name="Model whose tokens count").fill("")
    page.get_by_role("button", name="Look closer").click()
    cancel = page.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()
    page.get_by_role("link", name="Report", exact=True).click()
    page.get_by_role("link", name="Closer look", exact=True).click()
    expect(cancel).to_be_visible()
    cancel.click()
    expect(page.get_by_role("button", name="Look closer")).to_be_visible()
    assert server.get("/api/operations")["operations"][0]["status"] == "cancelled"


@in_full
def test_a_closer_look_needs_no_model(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/datasets/rows.jsonl/closer")
    page.get_by_role("combobox", name="Model whose tokens count").fill("")
    page.get_by_role("button", name="Look closer").click()
    expect(figure(page, "Exact duplicates")).to_have_text("0")
    assert server.get("/api/datasets/rows.jsonl")["examination"]["token_lengths"] is None


@in_full
def test_a_dataset_is_deleted_when_that_was_meant(server: LiveServer, visit: Open) -> None:
    server.upload("gone.jsonl", jsonl(rows(20)))
    page = visit(server, "/datasets/gone.jsonl")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert server.get("/api/datasets/gone.jsonl")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
    expect(page.get_by_role("link", name="gone.jsonl")).not_to_be_visible()
    server.call("GET", "/api/datasets/gone.jsonl", status=404)


def test_all_of_it_goes_by_the_keyboard(server: LiveServer, visit: Open, lamps: Path) -> None:
    page = visit(server)
    # Told from the start: a key is pressed sooner than the browser hears that its dialog is to be caught.
    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    def reach(target: Locator) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if target.evaluate("it => it === document.activeElement"):
                return
        raise AssertionError(f"the Tab key does not come to {target}")

    reach(page.get_by_role("link", name="Datasets", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Datasets")
    reach(page.get_by_role("button", name="Choose files"))
    page.keyboard.press("Enter")
    until(lambda: page.wait_for_timeout(50) or choosers != [], 30)
    choosers[0].set_files(lamps)
    report = page.get_by_role("link", name="See the report")
    expect(report).to_be_visible()
    reach(report)
    page.keyboard.press("Enter")
    mend = page.get_by_role("checkbox", name="Put letters right")
    expect(mend).to_be_checked()
    reach(mend)
    page.keyboard.press("Space")
    expect(mend).not_to_be_checked()
    apply = page.get_by_role("button", name="Apply in a new version")
    reach(apply)
    page.keyboard.press("Enter")
    expect(page.get_by_text("was made.")).to_be_visible()
