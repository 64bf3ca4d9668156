"""The playground: answers as they are written, stopped, again, side by side, in their text; and what breaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.live import LiveServer
from tests.studio.conftest import Open, in_full
from tests.studio.test_every_page import AXE, PICTURES, SIZES
from tests.studio.test_models import named

pytestmark = in_full

CONTEXT = "🙂 Grüße: the red box holds 21 coins, the blue box 👩‍🚀 holds none."
LATER = 180_000  # a model is loaded, and what it computes with may be compiled first


def answers(page: Page) -> Locator:
    return page.get_by_role("article")


def ask(page: Page, question: str, label: str = "Your question") -> None:
    page.get_by_label(label, exact=True).fill(question)
    page.get_by_label(label, exact=True).press("Enter")


def answered(page: Page) -> None:
    expect(page.get_by_role("button", name="Ask again")).to_be_visible(timeout=LATER)


def set_number(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    if not field.is_visible():
        page.get_by_text("How it answers").click()
    field.fill(value)
    field.press("Tab")


def said(live: LiveServer, prompt: str, **target: Any) -> str:
    """What the likeliest answer is, without a page."""
    reply = live.post("/api/playground/generate", {"prompt": prompt, "temperature": 0, **target})
    text: str = reply["generated_text"]
    return text


def test_an_answer_is_shown_as_it_is_written_and_stays(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "first")["id"]
    page = visit(trained, f"/playground?model={model}")
    set_number(page, "Temperature", "0")
    page.evaluate(
        """() => {
            window.lengths = [];
            new MutationObserver(() => {
                const text = document.querySelector("article > p:not([role])")?.textContent ?? "";
                if (text.length > (window.lengths.at(-1) ?? 0)) window.lengths.push(text.length);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    question = page.get_by_label("Your question", exact=True)
    question.press_sequentially("what is 7?")
    question.press("Shift+Enter")
    question.press_sequentially("say it")
    with page.expect_response("**/api/playground/stream") as response:
        question.press("Enter")
    assert response.value.headers["content-type"].startswith("text/event-stream")
    answered(page)
    expected = said(trained, "what is 7?\nsay it", model_id=model)
    assert len(expected) > 3
    expect(answers(page).locator("> p").first).to_have_text(expected)
    # Pieces that come within one frame are drawn together: there may be one drawing.
    lengths = page.evaluate("window.lengths")
    assert lengths == sorted(lengths) and lengths[-1] == len(expected), lengths
    expect(question).to_have_value("")
    expect(answers(page).get_by_text(" a second")).to_be_visible()

    page.reload()
    expect(page.get_by_text("what is 7?\nsay it")).to_be_visible()
    expect(answers(page).locator("> p").first).to_have_text(expected)
    page.get_by_role("button", name="Clear").click()
    expect(answers(page)).to_have_count(0)


def test_an_answer_is_stopped_and_asked_for_again(trained: LiveServer, visit: Open) -> None:
    page = visit(trained, f"/playground?model={named(trained, 'first')['id']}")
    # At this temperature every token is about as likely, and the one that ends an answer is seldom drawn.
    set_number(page, "Temperature", "100")
    set_number(page, "Top p", "1")
    set_number(page, "Tokens at most", "32000")
    ask(page, "tell me everything")
    text = answers(page).locator("> p").first
    expect(text).to_contain_text(" ", timeout=LATER)
    page.get_by_role("button", name="Stop").click()
    expect(answers(page).get_by_text("Stopped.")).to_be_visible()
    kept = text.inner_text()
    assert kept
    page.reload()
    expect(text).to_have_text(kept)

    set_number(page, "Tokens at most", "5")
    page.get_by_role("button", name="Ask again").click()
    expect(answers(page).get_by_text("5 tokens in")).to_be_visible()
    expect(answers(page).get_by_text("Cut off at the token limit")).to_be_visible()
    expect(answers(page)).to_have_count(1)
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Tokens at most", exact=True)).to_have_value("100")


def test_a_training_is_asked_from_its_beginning_to_its_end(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "first")
    page = visit(trained, f"/playground?model={model['id']}")
    page.get_by_label("modelforge-starter, before training").check()
    steps = [each["step"] for each in trained.get(f"/api/jobs/{model['job_id']}/checkpoints")["checkpoints"]]
    assert steps
    page.get_by_label(f"Checkpoint at step {steps[0]}").check()
    set_number(page, "Temperature", "0")
    ask(page, "what is 3?")
    answered(page)
    for label, target in (
        ("modelforge-starter (before)", {"model_id": model["id"], "base": True}),
        (f"Step {steps[0]}", {"job_id": model["job_id"], "checkpoint": steps[0]}),
        ("first", {"model_id": model["id"]}),
    ):
        side = page.get_by_role("article", name=label, exact=True)
        expect(side.locator("> p").first).to_have_text(said(trained, "what is 3?", **target))
    page.reload()
    expect(page.get_by_label("modelforge-starter, before training")).to_be_checked()
    expect(answers(page)).to_have_count(3)


def test_a_training_is_asked_by_its_job(trained: LiveServer, visit: Open) -> None:
    page = visit(trained, f"/playground?job={named(trained, 'first')['job_id']}")
    ask(page, "what is 3?")
    answered(page)
    expect(page.get_by_role("article", name="first (newest checkpoint)")).to_contain_text("a second")


def test_an_answer_is_marked_in_its_text(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "finder")["id"]
    page = visit(trained, f"/playground?model={model}")
    page.get_by_label("Text that holds the answer").fill(CONTEXT)
    ask(page, "How many coins?", "Question")
    answered(page)
    reply = trained.post(
        "/api/playground/generate", {"model_id": model, "prompt": "How many coins?", "context": CONTEXT}
    )
    found = answers(page)
    expect(found.locator("mark")).to_have_text(reply["generated_text"])
    before = found.locator("mark").evaluate("it => it.previousSibling?.textContent ?? ''")
    assert before == CONTEXT[: reply["answer_start"]]
    expect(found).to_contain_text("How sure it is:")
    page.reload()
    expect(page.get_by_role("textbox", name="Text that holds the answer")).to_have_value(CONTEXT)


def test_a_text_is_summarised(trained: LiveServer, visit: Open) -> None:
    page = visit(trained, f"/playground?model={named(trained, 'short')['id']}")
    text = page.get_by_label("Text to summarize")
    text.fill("The shop opens at nine.")
    text.press("Enter")
    expect(answers(page)).to_have_count(0)
    text.press("Control+Enter")
    answered(page)
    expect(answers(page)).to_have_count(1)
    expect(answers(page)).to_contain_text("tokens in")


def test_a_model_that_is_not_there_is_told_in_the_servers_words(trained: LiveServer, visit: Open) -> None:
    refused = trained.post("/api/playground/generate", {"model_name": "no-such-model", "prompt": "a"}, status=404)
    page = visit(trained, "/playground", expected=("Failed to load resource",))
    page.get_by_label("Model", exact=True).select_option("Another model…")
    page.get_by_label("Hub id or folder").fill("no-such-model")
    page.keyboard.press("Enter")
    ask(page, "a")
    expect(answers(page).get_by_role("alert")).to_contain_text(refused["detail"])
    page.goto("/playground?model=999")
    expect(page.get_by_role("alert")).to_contain_text("there is no model 999")


def test_a_server_that_dies_breaks_the_answer_off(alone: LiveServer, visit: Open) -> None:
    alone.start()
    page = visit(alone, "/playground?model=modelforge-starter", expected=("Failed to load resource", "WebSocket"))
    set_number(page, "Temperature", "100")
    set_number(page, "Top p", "1")
    set_number(page, "Tokens at most", "32000")
    ask(page, "tell me everything")
    expect(answers(page).locator("> p").first).to_contain_text(" ", timeout=LATER)
    alone.kill()
    expect(answers(page).get_by_role("alert")).to_contain_text("The answer broke off")
    expect(page.get_by_role("button", name="Ask again")).to_be_visible()


def test_it_goes_by_the_keyboard(trained: LiveServer, visit: Open) -> None:
    page = visit(trained, f"/models/{named(trained, 'first')['id']}")
    page.get_by_role("link", name="Talk to it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question", exact=True)).to_be_focused()
    page.keyboard.type("what is 9?")
    page.keyboard.press("Enter")
    answered(page)
    expect(page.get_by_label("Your question", exact=True)).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.get_by_role("button", name="Ask again").evaluate("it => it === document.activeElement"):
            break
    page.keyboard.press("Enter")
    answered(page)
    expect(answers(page)).to_have_count(2)  # its own, and that of what it was before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_everybody_can_read_a_conversation(
    trained: LiveServer, visit: Open, tmp_path: Path, size: str, scheme: str
) -> None:
    model = named(trained, "first")["id"]
    page = visit(
        trained, f"/playground?model={model}&base=true", color_scheme=scheme, reduced_motion="reduce", **SIZES[size]
    )
    set_number(page, "Temperature", "0")
    page.get_by_text("How it answers").click()
    ask(page, "what is 3?")
    answered(page)
    ask(page, "unbroken" * 60)
    answered(page)
    page.screenshot(path=(Path(PICTURES) if PICTURES else tmp_path) / f"studio-chat-{size}-{scheme}.png")
    page.evaluate(AXE.read_text())
    assert page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_first_question_is_offered_from_the_data(trained: LiveServer, visit: Open) -> None:
    model = named(trained, "first")
    prompts = {each["prompt"] for each in trained.get(f"/api/jobs/{model['job_id']}/samples")["samples"]}
    page = visit(trained, f"/playground?model={model['id']}")
    offered = page.get_by_role("group", name="Try a question from your data").get_by_role("button")
    expect(offered.first).to_be_visible()
    question = offered.first.inner_text()
    assert question in prompts
    offered.first.click()
    answered(page)
    expect(page.get_by_role("log").or_(page.get_by_label("Questions and answers"))).to_contain_text(question)
    expect(offered).to_have_count(0)


def test_the_model_sees_what_was_said_before_where_that_is_asked_for(trained: LiveServer, visit: Open) -> None:
    page = visit(trained, f"/playground?model={named(trained, 'first')['id']}")
    set_number(page, "Temperature", "0")

    def sent(question: str) -> list[dict[str, str]] | None:
        with page.expect_request("**/api/playground/stream") as request:
            ask(page, question)
        answered(page)
        messages: list[dict[str, str]] | None = request.value.post_data_json["messages"]
        return messages

    assert sent("what is 1?") is None
    page.get_by_label("Remember the conversation").check()
    page.get_by_label("Instruction").fill("Be brief.")
    said_first = answers(page).first.locator("> p").first.inner_text()
    assert sent("what is 2?") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "what is 1?"},
        {"role": "assistant", "content": said_first},
    ]
    with page.expect_request("**/api/playground/stream") as again:
        page.get_by_role("button", name="Ask again").click()
    assert len(again.value.post_data_json["messages"]) == 3  # the answer that it takes the place of is none of them
