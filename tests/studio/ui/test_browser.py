"""The pages in Chromium, on the real tiny preset: a person asks, stops, comes back; makes, finds, makes again; teaches."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from screenshots import PATIENCE_MS, send, settle, take_long
from serving import serving

from studio.models.loaded import loaded_models
from studio.models.runs import Runs
from studio.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ANSWER_MS, TRAINING_MS = 240_000, 1_200_000
STEPS, SAMPLES_A_STEP = 120, 2  # of the training that is driven to its end


def _open(browser: Any, address: str, width: int = 1280) -> Any:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(address)
    page.get_by_test_id("stChatInputTextArea").wait_for(timeout=60_000)
    return page


def test_a_request_is_answered_with_a_picture_that_survives_a_refresh(browser: Any, address: str) -> None:
    page = _open(browser, address)
    send(page, "draw a big red bell in a meadow")
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


def test_a_table_is_cards_on_a_phone_and_a_table_to_who_listens(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/models")
    page.locator(".studio-table").last.wait_for(timeout=ANSWER_MS)
    settle(page)
    assert page.evaluate(
        "[...document.querySelectorAll('.studio-table')].every((one) => one.scrollWidth <= one.clientWidth)"
    )
    assert page.evaluate("getComputedStyle(document.querySelector('.studio-table td'), '::before').content").startswith(
        '"'
    )
    heard = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    assert {"table", "columnheader", "rowheader", "cell"} <= {node["role"]["value"] for node in heard if "role" in node}
    page.close()


def test_a_reply_can_be_stopped(browser: Any, address: str) -> None:
    page = _open(browser, address)
    take_long(page)
    send(page, "animate a red bell moving left in a meadow")
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


@pytest.fixture
def trainings(browser: Any, tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    """The page of the trainings of a new studio, whose cache of frozen features is empty too, and the studio's folder."""
    home = tmp_path / "trained"
    home.mkdir()
    with serving(home, XDG_CACHE_HOME=str(tmp_path / "cache")) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{address}/train")
        yield page, home
        page.close()
        runs = Runs(home)
        for run in runs.all():  # a training outlives the server that it was started from
            runs.stop(run.id)


def test_a_training_is_started_watched_stopped_resumed_and_used_in_chat(trainings: tuple[Any, Path]) -> None:
    page, home = trainings
    page.locator(".stMain summary", has_text="Options").click()
    for name, number in (("Steps", STEPS), ("Samples a step", SAMPLES_A_STEP)):
        page.get_by_role("spinbutton", name=name, exact=True).fill(str(number))
        page.get_by_role("spinbutton", name=name, exact=True).press("Tab")
        settle(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("It goes on when this page is closed.").wait_for()

    page.reload()
    page.get_by_text(re.compile(rf"step [1-9]\d* of {STEPS}")).wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Go on").wait_for()
    stopped_at = _step(page)
    assert 0 < stopped_at < STEPS
    (run,) = Runs(home).all()
    assert (run.folder / "checkpoints" / f"step-{stopped_at:08d}").is_dir(), "no step of it is lost"

    page.locator("[data-testid=stVegaLiteChart] svg").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("It goes on when this page is closed.").wait_for()
    page.get_by_role("button", name="Use in chat").wait_for(timeout=TRAINING_MS)
    assert _step(page) == STEPS

    page.get_by_role("button", name="Use in chat").click()
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill("draw a big red bell in a meadow")
    box.press("Enter")
    page.get_by_role("button", name="Show me how").wait_for()
    (held,) = loaded_models(home)
    assert held.preset == str(run.folder), "the model that was trained answered"
    (asked,) = Store(home).rows("SELECT payload FROM jobs WHERE kind = 'chat' AND state = 'done'")
    assert json.loads(asked["payload"])["preset"] == str(run.folder)


def _step(page: Any) -> int:
    """Return the step that the page says a training has reached."""
    found = re.search(r"step (\d+) of", page.locator("[data-testid=stProgress]").inner_text())
    assert found is not None
    return int(found[1])
