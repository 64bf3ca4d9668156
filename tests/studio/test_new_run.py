"""From data to a run that is known to work, and its start."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from modelforge.catalogue import STARTER
from tests.live import LiveServer, jsonl, rows
from tests.studio.conftest import Open, in_full

PHONE = {"width": 390, "height": 844}
TABLE = "Frage;Antwort\n" + "".join(f"Was ist {n}?;Das ist {n}.\n" for n in range(40))


BODY = {"task": "text-generation", "model_name": STARTER, "dataset": "rows.jsonl"}
READY = f"/new?{urlencode(BODY)}"


def panel(page: Page) -> Locator:
    """What the server makes of the request."""
    return page.get_by_role("complementary", name="Estimate")


def option(page: Page, name: str) -> Locator:
    return page.locator(f"#option-{name}")


def test_from_a_spreadsheet_to_a_chat(server: LiveServer, tmp_path: Path, visit: Open) -> None:
    (tmp_path / "fragen.csv").write_text(TABLE, encoding="utf-8")
    page = visit(server, "/datasets")
    page.locator("input[type=file]").set_input_files(tmp_path / "fragen.csv")
    page.get_by_role("link", name="See the report").click()
    page.get_by_role("link", name="Map columns").click()
    page.get_by_role("textbox", name="Question or instruction").fill("{Frage}")
    page.get_by_role("textbox", name="Answer").fill("{Antwort}")
    page.get_by_role("button", name="Map in a new version").click()
    expect(page.get_by_text("Usable examples", exact=True)).to_be_visible()

    page.get_by_role("link", name="New run").click()
    start = page.get_by_role("button", name="Start")
    expect(start).to_be_disabled()
    page.get_by_role("radio", name="Answer and write").check()
    page.get_by_role("radio", name=re.compile("fragen.csv")).check()
    # A goal and data are enough for a first try.
    expect(page.get_by_role("radio", name=re.compile(STARTER))).to_be_checked()
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    expect(panel(page).get_by_text(re.compile(r"takes about \d+ MB"))).to_be_visible()
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/api/jobs")) as sent:
        start.click()
    assert len(sent.value.headers["idempotency-key"]) == 32
    expect(page).to_have_url(re.compile(r"/runs/train_[0-9a-f]{12}$"))
    job = server.wait(page.url.rpartition("/")[2])
    assert job["status"] == "completed", job
    assert (job["config"]["dataset"], job["config"]["model_name"]) == ("fragen.csv", STARTER)

    page.get_by_role("link", name="Talk to it").click()
    question = page.get_by_label("Your question", exact=True)
    question.fill("Was ist 3?")
    with page.expect_response("**/api/playground/stream") as response:
        question.press("Enter")
    # What it was before answers beside it.
    answer = page.get_by_role("article", name="my-modelforge-starter-finetuned")
    # In a home of its own the first question makes the decoder.
    expect(answer).to_contain_text("a second", timeout=180_000)
    assert response.value.headers["content-type"].startswith("text/event-stream")
    expect(answer.locator("> p").first).to_have_text(re.compile(r"\w"))


@in_full
def test_what_cannot_work_is_explained_at_its_field(server: LiveServer, visit: Open) -> None:
    page = visit(server, f"{READY}&strategy=dpo", expected=("Failed to load resource",))
    told = server.post("/api/preflight", {**BODY, "strategy": "dpo"})["detail"]
    expect(panel(page).get_by_text(told)).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()

    # A combination that no machine can train, which is refused before anything is looked at.
    page.get_by_role("radio", name="Summarize").check()
    expect(page.get_by_role("group", name="Method").get_by_text("needs the task")).to_be_visible()
    page.get_by_role("radio", name=re.compile(r"\(SFT\)")).check()
    page.get_by_role("radio", name="Answer and write").check()
    expect(panel(page).get_by_text("Can start")).to_be_visible()

    option(page, "lora_r").fill("0")
    expect(option(page, "lora_r")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("must be greater than or equal to 1, not 0").last).to_be_visible()
    option(page, "lora_r").fill("")
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    option(page, "name").fill(STARTER)
    expect(page.get_by_role("region", name="What is the new model called?")).to_contain_text("exists already")


@in_full
def test_advanced_options_open_for_a_problem_and_stay_open(server: LiveServer, visit: Open) -> None:
    page = visit(server, f"{READY}&max_grad_norm=0", expected=("Failed to load resource",))
    wrong = option(page, "max_grad_norm")
    expect(wrong).to_be_visible()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    # What is wrong is in sight, whatever is looked for.
    page.get_by_label("Search options").fill("seed")
    expect(wrong).to_be_visible()
    page.get_by_label("Search options").fill("")
    wrong.fill("1,000")  # a thousand to some, one to others
    expect(page.get_by_text('must be a valid number, not "1,000"').last).to_be_visible()
    wrong.fill("0.5")
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    expect(wrong).to_be_focused()
    expect(wrong).not_to_have_attribute("aria-invalid", "true")


@in_full
def test_a_name_may_begin_as_that_of_a_listed_one(server: LiveServer, visit: Open) -> None:
    page = visit(server, READY, expected=("Failed to load resource",))
    for group, box, listed, named in (
        ("Model", "Another model", "Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B-Base"),
        ("Data", "A file on the server's machine", "rows.jsonl", "rows.jsonl.old"),
    ):
        choices, typed = page.get_by_role("group", name=group, exact=True), page.get_by_label(box, exact=True)
        typed.fill("")
        typed.press_sequentially(listed)
        expect(choices.locator(f'[value="{listed}"]')).to_be_checked()
        expect(typed).to_have_value(listed)
        typed.press_sequentially(named.removeprefix(listed))
        expect(typed).to_have_value(named)
        choices.get_by_role("radio").first.check()
        expect(typed).to_have_value("")


@in_full
def test_an_address_that_makes_no_sense_is_survived(server: LiveServer, visit: Open) -> None:
    page = visit(server, f"{READY}&mix=x&bf16=perhaps&nothing=1", expected=("Failed to load resource",))
    expect(option(page, "bf16")).to_have_attribute("aria-invalid", "true")
    option(page, "bf16").select_option("No")
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    expect(page).not_to_have_url(re.compile("mix|nothing"))


PAIRS = [{"prompt": f"what is {n}?", "chosen": f"it is {n}", "rejected": "no idea"} for n in range(20)]


@in_full
def test_goal_method_and_data_go_together(alone: LiveServer, visit: Open) -> None:
    alone.start()
    alone.upload("pairs.jsonl", jsonl(PAIRS))
    alone.upload("rows.jsonl", jsonl(rows(20)))
    page = visit(alone, "/new?dataset=pairs.jsonl")
    goal, data = page.get_by_role("group", name="Goal"), page.get_by_role("group", name="Data", exact=True)
    method = page.get_by_role("group", name="Method")
    # The usual for this data; the address says only what was chosen.
    expect(goal.get_by_role("radio", name="Answer and write")).to_be_checked()
    expect(method.get_by_role("radio", name=re.compile(r"\(DPO\)"))).to_be_checked()
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    expect(goal.get_by_role("radio", name=re.compile("Summarize not with this data"))).to_be_visible()
    expect(method.get_by_role("radio", name=re.compile(r"\(SFT\) not with this data"))).to_be_visible()
    assert data.get_by_role("radio").first.get_attribute("value") == "rows.jsonl"

    data.get_by_role("radio", name=re.compile("rows.jsonl")).check()
    expect(method.get_by_role("radio", name=re.compile(r"\(SFT\)"))).to_be_checked()
    expect(method.get_by_role("radio", name=re.compile("needs preferred answers"))).to_have_count(2)
    expect(panel(page).get_by_text("Can start")).to_be_visible()

    # What fits a chosen method comes first.
    method.get_by_role("radio", name=re.compile(r"\(DPO\)")).check()
    expect(data.get_by_role("radio").first).to_have_value("pairs.jsonl")
    expect(data.get_by_role("radio", name=re.compile("rows.jsonl not for this method"))).to_be_checked()
    goal.get_by_role("radio", name=re.compile("Find answers")).check()
    expect(data.get_by_text("not for this goal")).to_have_count(2)


@in_full
def test_only_a_line_is_read_out(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/new")
    said = panel(page).get_by_role("status")
    expect(said).to_have_text("Still to choose: a goal, data")
    page.get_by_role("radio", name=re.compile("rows.jsonl")).check()
    expect(said).to_have_text("Can start")
    option(page, "name").fill(STARTER)
    expect(said).to_have_text("Cannot start: Conflict")


@in_full
def test_what_is_chosen_survives_reload_and_back(server: LiveServer, visit: Open) -> None:
    page = visit(server, READY)
    option(page, "lora_r").fill("8")
    page.get_by_text("Advanced: every option").click()
    option(page, "target_modules").fill("q_proj\nv_proj")
    option(page, "bf16").select_option("No")
    expect(page).to_have_url(re.compile("lora_r=8.*bf16=false"))
    page.reload()
    page.get_by_text("Advanced: every option").click()
    expect(option(page, "lora_r")).to_have_value("8")
    expect(option(page, "target_modules")).to_have_value("q_proj\nv_proj")
    expect(option(page, "bf16")).to_have_value("false")
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Home")
    page.go_back()
    expect(option(page, "lora_r")).to_have_value("8")
    page.get_by_role("button", name="Size of the adapter (rank): 8, back to the default").click()
    expect(option(page, "lora_r")).to_have_value("")
    expect(page).not_to_have_url(re.compile("lora_r"))


@in_full
def test_every_option_of_the_schema_is_there_and_found(server: LiveServer, visit: Open) -> None:
    page = visit(server, f"{READY}&strategy=dpo", expected=("Failed to load resource",))
    page.get_by_text("Advanced: every option").click()
    options = server.get("/openapi.json")["components"]["schemas"]["TrainingConfig"]["properties"]
    known = server.get("/api/catalogue")
    choices = [*known["tasks"], *known["strategies"]]
    others = {each for choice in choices if choice["name"] not in ("dpo", BODY["task"]) for each in choice["options"]}
    own = {each for choice in choices if choice["name"] in ("dpo", BODY["task"]) for each in choice["options"]}
    assert "loss_type" in own and "num_generations" in others
    # The name, which has a place of its own, is an option like the others.
    guided = {"task", "dataset", "mix", "model_name", "strategy", "preset"}
    for name in options.keys() - guided - (others - own):
        expect(option(page, name)).to_be_visible()
    for name in others - own:
        expect(option(page, name)).not_to_be_visible()
    page.get_by_label("Search options").fill("LORA+ matrices")
    expect(option(page, "loraplus_lr_ratio")).to_be_visible()
    expect(option(page, "warmup_ratio")).not_to_be_visible()


@in_full
def test_a_run_begins_with_the_settings_of_another(server: LiveServer, visit: Open) -> None:
    job = server.post("/api/jobs", {**BODY, "name": "first", "lora_r": 4, "max_steps": 1})["job_id"]
    server.wait(job)
    page = visit(server, f"/new?from={job}")
    expect(option(page, "lora_r")).to_have_value("4")
    expect(page.get_by_role("radio", name=re.compile("rows.jsonl"))).to_be_checked()
    expect(option(page, "name")).to_have_value("")
    expect(panel(page).get_by_text("Can start")).to_be_visible()


@in_full
def test_what_would_fit_is_a_button(server: LiveServer, tiny_model: Path, tmp_path: Path, visit: Open) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "large")
    config = json.loads((folder / "config.json").read_text())
    large = {"hidden_size": 4096, "intermediate_size": 11_008, "num_attention_heads": 32, "num_key_value_heads": 32}
    # Layers of 200 million weights, until this machine has too little memory for the model as it is.
    for layers in range(10, 1000, 10):
        told = {**config, **large, "head_dim": 128, "num_hidden_layers": layers}
        (folder / "config.json").write_text(json.dumps(told))
        request = {**BODY, "model_name": str(folder)}
        memory = server.post("/api/preflight", request)["memory"]
        if not memory["fits_now"]:
            break
    (change, *_) = memory["changes"]
    page = visit(server, f"/new?{urlencode(request)}")
    panel(page).get_by_role("button", name=change["about"]).click()
    for name, value in change["changes"].items():
        expect(page).to_have_url(re.compile(f"{name}={json.dumps(value).strip(chr(34))}"))
    expect(panel(page).get_by_text("Fits: takes about")).to_be_visible()


@in_full
def test_the_request_can_be_copied(server: LiveServer, visit: Open) -> None:
    page = visit(server, f"{READY}&lora_r=8", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("The request", exact=True).click()
    told = server.post("/api/preflight", {**BODY, "lora_r": 8})["request"]
    for form, words in (("JSON", told["json_body"]), ("YAML", told["yaml"]), ("curl", told["curl"])):
        page.get_by_role("tab", name=form).click()
        page.get_by_role("tabpanel").get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == words


@in_full
def test_a_preset_fits_the_model_and_the_data(server: LiveServer, visit: Open) -> None:
    page = visit(server, "/new")
    expect(page.get_by_role("radio", name=re.compile("^Balanced"))).to_be_checked()
    page = visit(server, READY)
    page.get_by_role("radio", name=re.compile("^Best")).check()
    filled = server.post("/api/preflight", {**BODY, "preset": "best"})["config"]
    assert filled["learning_rate"] > 1e-3 and filled["num_train_epochs"] > 5
    for name in ("num_train_epochs", "learning_rate", "lora_r"):
        expect(option(page, name)).to_have_attribute("placeholder", f"{filled[name]} (default)")
    option(page, "num_train_epochs").fill("9")
    expect(page).to_have_url(re.compile("num_train_epochs=9"))
    page.reload()
    expect(page.get_by_role("radio", name=re.compile("^Best"))).to_be_checked()
    expect(option(page, "num_train_epochs")).to_have_value("9")


@in_full
def test_models_are_those_for_the_goal_that_fit(server: LiveServer, visit: Open) -> None:
    known = server.get("/api/catalogue")["models"]
    small = {each["name"] for each in known if all(fit["fits"] for fit in each["fits"] if fit["strategy"] == "sft")}
    page = visit(server, "/new?task=summarization")
    listed = page.get_by_role("group", name="Model", exact=True).get_by_role("radio")
    expect(listed).to_have_count(len([e for e in known if "summarization" in e["tasks"] and e["name"] in small]))
    page.get_by_label("Only what fits this machine").uncheck()
    expect(listed).to_have_count(len([e for e in known if "summarization" in e["tasks"]]))
    page.get_by_label("Search models").fill("flan small")
    expect(listed).to_have_count(2)  # the chosen one stays in sight


@in_full
def test_models_are_weighed_by_the_chosen_method(server: LiveServer, visit: Open) -> None:
    known = server.get("/api/catalogue")["models"]
    for strategy in ("sft", "dpo"):
        fits = {each["name"]: {fit["strategy"]: fit["fits"] for fit in each["fits"]} for each in known}
        small = [each for each in known if fits[each["name"]].get(strategy)]
        page = visit(server, f"/new?task=text-generation&strategy={strategy}")
        listed = page.get_by_role("group", name="Model", exact=True).get_by_role("radio")
        expect(listed).to_have_count(len([each for each in small if "text-generation" in each["tasks"]]))


@in_full
def test_by_keyboard_alone(server: LiveServer, visit: Open) -> None:
    page = visit(server, f"{READY}&max_steps=1&name=typed")
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    page.get_by_role("radio", name="Answer and write").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Summarize")).to_be_checked()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="Answer and write")).to_be_checked()
    tab_to(page, page.get_by_text("Advanced: every option"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Search options"))
    page.keyboard.type("seed")
    tab_to(page, option(page, "seed"))
    page.keyboard.type("7")
    expect(page).to_have_url(re.compile("seed=7"))
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    tab_to(page, page.get_by_role("button", name="Start"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/runs/train_"))
    job = server.wait(page.url.rpartition("/")[2])
    assert (job["config"]["seed"], job["config"]["name"]) == (7, "typed")


def tab_to(page: Page, place: Locator) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if place.evaluate("place => place === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {place}")


@in_full
def test_on_a_phone_nothing_is_wider_than_the_page(server: LiveServer, visit: Open) -> None:
    page = visit(server, READY, viewport=PHONE, has_touch=True)
    page.get_by_text("Advanced: every option").tap()
    expect(panel(page).get_by_text("Can start")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    # Whether it can start, and the start, are in sight from the beginning; the rest is one tap away.
    page.evaluate("scrollTo(0, 0)")
    expect(panel(page).get_by_text("Can start")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Start")).to_be_in_viewport()
    heading = panel(page).get_by_role("heading", name="Estimate")
    expect(heading).not_to_be_in_viewport()
    page.get_by_role("button", name="Details").tap()
    expect(heading).to_be_in_viewport()
