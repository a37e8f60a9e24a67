"""The pages in Chromium, on the real tiny preset: a person asks, stops, comes back; makes, finds, makes again; teaches."""

from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ANSWER_MS = 240_000


def _open(browser: Any, address: str, width: int = 1280) -> Any:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(address)
    page.get_by_test_id("stChatInputTextArea").wait_for(timeout=60_000)
    return page


def _say(page: Any, text: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")


def test_a_request_is_answered_with_a_picture_that_survives_a_refresh(browser: Any, address: str) -> None:
    page = _open(browser, address)
    _say(page, "draw a big red bell in a meadow")
    page.get_by_test_id("stDownloadButton").first.wait_for(timeout=ANSWER_MS)
    page.wait_for_function("document.querySelector('[data-testid=stImage] img')?.naturalWidth > 0", timeout=60_000)
    assert "/studio/media/" in page.locator("[data-testid=stImage] img").first.get_attribute("src")
    page.reload()
    page.get_by_test_id("stDownloadButton").first.wait_for(timeout=60_000)
    page.close()


@pytest.mark.parametrize("path", ["", "create", "lab", "library", "train", "models"])
def test_every_page_fits_a_phone(browser: Any, address: str, path: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/{path}")
    page.locator(".studio-title, .studio-hero").first.wait_for(timeout=ANSWER_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_reply_can_be_stopped(browser: Any, address: str) -> None:
    page = _open(browser, address)
    page.get_by_text("Options").first.click()
    page.get_by_role("slider", name="Of each kind").press("End")
    page.get_by_text("Set the steps").click()
    page.get_by_role("slider", name="Steps").press("End")
    _say(page, "animate a red bell moving left in a meadow")
    page.get_by_role("button", name="Stop", exact=True).click(timeout=60_000)
    page.get_by_text("Stopped.").wait_for(timeout=ANSWER_MS)
    page.close()


def test_a_picture_is_created_found_by_example_and_made_again_the_same(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/create")
    page.get_by_label("Your wish").fill("a red bell in a meadow")
    page.get_by_role("button", name="Create").last.click()
    page.locator(".st-key-grid img").first.wait_for(timeout=ANSWER_MS)
    page.goto(f"{address}/library")
    page.locator(".st-key-gallery button").first.click(timeout=ANSWER_MS)
    page.get_by_role("button", name="Find similar").click(timeout=ANSWER_MS)
    page.get_by_text("Found for:").wait_for(timeout=ANSWER_MS)
    page.get_by_role("button", name="Show all").click(timeout=ANSWER_MS)
    page.locator(".st-key-gallery button").first.click(timeout=ANSWER_MS)
    page.get_by_role("button", name="Make it again and compare").click(timeout=ANSWER_MS)
    page.get_by_text("Identical:").wait_for(timeout=ANSWER_MS)
    page.close()


def test_a_training_is_started_survives_a_refresh_and_is_stopped(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/train")
    page.get_by_role("button", name="Start training").click(timeout=ANSWER_MS)
    page.get_by_text("It goes on when this page is closed.").wait_for(timeout=ANSWER_MS)
    page.reload()
    page.get_by_role("button", name="Stop", exact=True).click(timeout=ANSWER_MS)
    page.get_by_role("button", name="Go on").wait_for(timeout=ANSWER_MS)
    page.close()
