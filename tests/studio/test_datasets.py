"""From a file to what the model sees: uploads, the report, fixes, rows, columns, a closer look, versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import FileChooser, Locator, Page, expect

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
    empty.get_by_role("link", name="Line 61").click()
    expect(page.get_by_role("row", name="61 What is this?").get_by_text("is empty")).to_be_visible()
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
    page = visit(server, "/datasets", expected=("Failed to load resource",))
    choose(page, path)
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("10")
    page.get_by_role("button", name="Dismiss few.jsonl").click()
    expect(refusal).not_to_be_visible()
    assert "few.jsonl" not in [each["filename"] for each in server.get("/api/datasets")["datasets"]]


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
    item = page.get_by_role("list", name="Uploads").get_by_role("listitem")
    expect(item).to_contain_text("8.0 MB of")
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
    item = page.get_by_role("list", name="Uploads").get_by_role("listitem")
    expect(item).to_contain_text("8.0 MB of")
    page.get_by_role("button", name="Cancel cancelled.jsonl").click()
    expect(item).to_contain_text("Nothing of it was kept")
    page.wait_for_timeout(1000)
    assert server.get("/api/uploads")["uploads"] == []
    assert "cancelled.jsonl" not in [each["filename"] for each in server.get("/api/datasets")["datasets"]]


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
