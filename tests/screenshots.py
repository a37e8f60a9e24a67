"""Take the pictures of every page that the README shows, from a studio with real things in it: python -m tests.screenshots."""

import argparse
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from tests.serving import ROOT, serving

FOLDER = ROOT / "docs" / "pages"
WIDE, NARROW = (1280, 860), (390, 844)
PATIENCE_MS = 300_000
QUALITY = 82
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# What a page still waits for, in a line each.
UNSETTLED = """() => [
  ...(document.querySelector('.stApp[data-test-script-state="notRunning"]') ? [] : ['the page runs']),
  ...[...document.querySelectorAll('[data-testid="stSkeleton"], [data-testid="stElementContainer"] [data-stale="true"]')],
  ...[...document.images].filter((image) => !image.complete),
].map((one) => one.outerHTML?.slice(0, 200) ?? one)"""


@contextmanager
def chromium() -> Iterator[Any]:
    """Chromium from the PATH, driven by playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        yield browser
        browser.close()


def told(what: str) -> None:
    """Say how far it has come."""
    print(what, flush=True)


def settle(page: Any) -> None:
    """Wait until a page has run and drawn all that it shows."""
    from playwright.sync_api import TimeoutError as Late

    page.wait_for_timeout(400)
    try:
        page.wait_for_function(f"() => !({UNSETTLED})().length", timeout=PATIENCE_MS)
    except Late as error:
        raise Late("\n".join([f"{page.url} does not settle:", *page.evaluate(UNSETTLED)])) from error
    page.wait_for_timeout(700)


def choose(page: Any, name: str, value: str) -> None:
    """Choose from a list."""
    settle(page)  # a list closes again where a page is drawn anew
    page.get_by_role("combobox", name=name).click()
    page.get_by_role("option", name=value, exact=True).click()
    settle(page)


def take_long(page: Any) -> None:
    """Set the chat's options to as many media and steps as they go, so that there is time to look at what is made."""
    page.get_by_text("Options").first.click()
    page.get_by_role("slider", name="Of each kind").press("End")
    settle(page)  # or the next click meets a page that is being drawn anew
    page.get_by_text("Set the steps").click()
    page.get_by_role("slider", name="Steps").press("End")
    settle(page)


def send(page: Any, text: str) -> None:
    """Type something in the chat and send it."""
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")


def say(page: Any, text: str) -> None:
    """Ask in the chat, and wait for what comes of it."""
    count = page.get_by_role("button", name="Show me how").count()
    send(page, text)
    page.get_by_role("button", name="Show me how").nth(count).wait_for(timeout=PATIENCE_MS)
    settle(page)


def create(page: Any, address: str, kind: str, wish: str, *, across: str = "", seeds: str = "") -> str:
    """Make something on the creating page; return the address that shows it. RuntimeError says why it was not made."""
    told(f"{kind}: {wish}")
    page.goto(f"{address}/create")
    settle(page)
    page.locator(".st-key-modality").get_by_text(kind).click()
    settle(page)
    page.get_by_role("textbox", name="Your wish").fill(wish)
    page.get_by_role("textbox", name="Your wish").press("Tab")
    settle(page)
    if across:
        page.locator("summary", has_text="Grid").click()
        choose(page, "Across", "Words")
        page.get_by_role("textbox", name="Values, with commas between").first.fill(across)
        page.get_by_role("textbox", name="Values, with commas between").first.press("Tab")
        settle(page)
    if seeds:
        choose(page, "Down", "Seed")
        page.get_by_role("textbox", name="Values, with commas between").last.fill(seeds)
        page.get_by_role("textbox", name="Values, with commas between").last.press("Tab")
        settle(page)
    page.locator(".st-key-create button").click()
    refusal = page.locator(".stMain").get_by_test_id("stAlert")
    made = page.locator(".st-key-grid").locator("img, audio, video")
    num_wished = len(across.split(",")) * len(seeds.split(","))
    made.or_(refusal).first.wait_for(timeout=PATIENCE_MS * num_wished)
    if refusal.count():
        raise RuntimeError(f"{kind} was not made: {refusal.first.inner_text()}")
    settle(page)
    return str(page.url)


def teach(page: Any, address: str, stage: str, steps: int) -> str:
    """Train to the end on the training page; return the address that shows it."""
    page.goto(f"{address}/train")
    settle(page)
    choose(page, "What to teach", stage)
    page.locator(".stMain summary", has_text="Options").click()
    page.get_by_role("spinbutton", name="Steps").last.fill(str(steps))
    page.get_by_role("spinbutton", name="Steps").last.press("Tab")
    settle(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("It is on the page of the lab now.").wait_for(timeout=PATIENCE_MS)
    settle(page)
    return str(page.url)


def fill(page: Any, address: str, *, steps: int) -> dict[str, str]:
    """Do on the pages what a person does there; return for each picture the address that it is taken of."""
    told("a conversation")
    shown = {"lab": f"{address}/lab", "models": f"{address}/models"}
    page.goto(address)
    page.get_by_test_id("stChatInputTextArea").wait_for(timeout=PATIENCE_MS)
    say(page, "Draw a red bell above a blue boat")
    say(page, "Now let me hear a trumpet")
    shown["chat"] = page.url
    told("things made")
    create(page, address, "A video", "a green frog bouncing in a meadow")
    create(page, address, "A sound", "a trumpet")
    create(page, address, "A picture", "a red bell", across="bell, boat, tree, star, bird", seeds="1, 2, 3")
    shown["create"] = create(
        page, address, "A picture", "a red bell in a meadow", across="red, blue, yellow", seeds="1, 2"
    )
    page.goto(f"{address}/library")
    page.locator(".st-key-gallery img").first.wait_for(timeout=PATIENCE_MS)
    settle(page)
    shown["library"] = f"{address}/library"
    if steps:
        told("trainings")
        teach(page, address, "A VAE, to compare with", steps)
        shown["train"] = teach(page, address, "A VAE, to compare with", 2 * steps)
        page.goto(f"{address}/lab")
        page.get_by_role("button", name="Draw").click()
        page.locator(".st-key-large img").first.wait_for(timeout=PATIENCE_MS)
        settle(page)
        shown["lab"] = page.url
    else:
        shown["train"] = f"{address}/train"
    return shown


def take(page: Any, address: str, file: Path, *, size: tuple[int, int], scheme: str) -> None:
    """Take a picture of a page as it first shows itself; the same tab for all, since it has the program already."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)
    page.goto(address)
    page.locator(".studio-title, .studio-hero, .studio-said").first.wait_for()
    settle(page)
    if file.stem.startswith("map"):
        page.locator(".st-key-layout").get_by_text("Map").click()
        page.locator("canvas").wait_for()
        settle(page)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(file, quality=QUALITY, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER, help="the folder of the pictures")
    parser.add_argument("--home", type=Path, help="a studio's folder to keep; left out: a new one, thrown away")
    parser.add_argument("--steps", type=int, default=60, help="of the trainings that the pictures show; 0: none")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        with serving(home) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, locale="en-GB")
            page.set_default_timeout(PATIENCE_MS)
            shown = fill(page, address, steps=arguments.steps)
            shown["map"] = shown["library"]
            for name, one in shown.items():
                for size, scheme, ending in ((WIDE, "light", "1280"), (NARROW, "light", "390"), (WIDE, "dark", "dark")):
                    take(page, one, arguments.output / f"{name}-{ending}.webp", size=size, scheme=scheme)
                    told(f"{name}-{ending}.webp")


if __name__ == "__main__":
    main()
