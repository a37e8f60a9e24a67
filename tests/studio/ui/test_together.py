"""Two people at once, in two browsers, on the real tiny preset: one is answered while the other waits, stops and comes back."""

from pathlib import Path
from typing import Any

import pytest
import soundfile
from screenshots import PATIENCE_MS, send, settle, take_long

from training.world.scene import Scene, Thing
from training.world.sounds import SAMPLE_RATE, render_audio

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SOUND = render_audio(Scene((Thing("bell", "red"),), "meadow"), seed=0)
LOADED = "document.querySelector('[data-testid=stImage] img')?.naturalWidth > 0"


def visitor(browser: Any, address: str) -> Any:
    """Open the chat as somebody with a browser of their own."""
    page = browser.new_context(locale="en", viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.get_by_test_id("stChatInputTextArea").wait_for()
    return page


def test_a_sound_is_answered_with_a_picture_once_the_other_has_come_back_to_their_reply_and_stopped_it(
    browser: Any, address: str, tmp_path: Path
) -> None:
    sound = tmp_path / "heard.wav"
    soundfile.write(sound, SOUND, SAMPLE_RATE)
    one, other = visitor(browser, address), visitor(browser, address)

    take_long(one)
    other.locator("[data-testid=stChatInput] input[type=file]").first.set_input_files(sound)
    other.get_by_text("heard.wav").first.wait_for()

    send(one, "animate a red bell moving left in a meadow")
    one.locator(".studio-preview").first.wait_for()
    send(other, "draw what you hear")
    other.get_by_text("Waiting for the model").wait_for()
    one.reload()
    one.locator(".studio-preview").first.wait_for()  # in the middle of the denoising, in a page that is new
    one.get_by_role("button", name="Stop", exact=True).click()
    one.get_by_text("Stopped.").wait_for()
    other.wait_for_function(LOADED)
    assert other.locator("audio").count() >= 1, "the sound stands above its answer"
    assert one.locator(".studio-said").all_inner_texts() == ["animate a red bell moving left in a meadow"]
    assert other.locator(".studio-said").all_inner_texts() == ["draw what you hear"]
    for page in (one, other):
        page.context.close()


def test_a_search_is_made_with_an_uploaded_picture(browser: Any, address: str, tmp_path: Path) -> None:
    page = visitor(browser, address)
    picture = tmp_path / "example.png"
    page.goto(f"{address}/library")
    tile = page.locator(".st-key-gallery button").first  # what the test before has made
    tile.click()
    page.locator(".st-key-large img").wait_for()
    with page.expect_download() as kept:
        page.get_by_role("button", name="Download").click()
    kept.value.save_as(picture)
    page.get_by_role("button", name="Back to the library").click()
    settle(page)
    page.locator(".st-key-search input[type=file]").first.set_input_files(picture)
    page.get_by_text("example.png").first.wait_for()
    page.get_by_test_id("stChatInputSubmitButton").click()
    page.get_by_text("Found for: example.png").wait_for()
    page.locator(".st-key-gallery button, .studio-note").first.wait_for()
    settle(page)
    nearest = page.get_by_role("button", name="Show the nearest, whatever they are")
    if page.locator(".st-key-gallery button").count() == 0:
        nearest.click()
    page.locator(".st-key-gallery button").first.wait_for()
    page.context.close()
