"""The pages in Chromium, on the real tiny preset: a person asks, stops, comes back; makes, finds, makes again; teaches."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ROOT = Path(__file__).resolve().parents[3]
START_SECONDS, ANSWER_MS = 120, 240_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running studio with a home of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    command = [str(Path(sys.executable).parent / "studio"), "serve", "--port", str(port), "--home", str(home)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium from the PATH."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield chromium
        chromium.close()


def _wait_for(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(f"Nothing answers at {url}.")


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
