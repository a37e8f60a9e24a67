"""What is dragged, pointed at and given as a file on the pages, in Chromium: the slider, the map, the morph, the import."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from screenshots import PATIENCE_MS, WIDE, choose, settle
from serving import serving

from encoders.media import Image
from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from studio.library.library import Library
from studio.models.runs import ENDED, Runs
from studio.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 200), (230, 200, 40), (120, 40, 150))
SIZE = 32
PICTURE_LOADED = "(image) => image.decode().then(() => image.naturalWidth > 0)"


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio's folder with pictures in its library, and the finished training of a VAE."""
    home = tmp_path_factory.mktemp("lived-in")
    with closing(Store(home)) as store:
        library = Library(store)
        for colour in COLOURS:
            picture = np.broadcast_to(np.array(colour, np.uint8), (SIZE, SIZE, 3)).copy()
            stored, _ = library.media.add(Image.from_uint8(picture))
            library.texts.add(stored.id, "name", f"plain {colour}", source="file")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.models.runs._launch", lambda folder: None)
        run = Runs(home).start("vae", {"steps": "1"})
    torch.manual_seed(0)
    network = VAENetwork(VAEConfig((8, 8), z_dim=4, num_classes=2, labels=("bell", "boat")))
    VAE(network).save_pretrained(run.folder)
    (run.folder / ENDED).write_text(json.dumps({"code": 0, "time": 0.0}))
    return home


@pytest.fixture(scope="module")
def tab(browser: Any, lived_in: Path) -> Iterator[Any]:
    """One tab for all: it has the program already when the next page is opened."""
    with serving(lived_in) as address:
        page = browser.new_context(base_url=address, viewport={"width": WIDE[0], "height": WIDE[1]}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
        page.context.close()


def test_the_line_between_two_pictures_is_dragged_and_moved_by_keys(tab: Any) -> None:
    tab.goto("/create")
    settle(tab)
    tab.get_by_label("Your wish").fill("a red bell in a meadow")
    tab.locator(".stMain summary", has_text="Options").click()
    settle(tab)
    tab.get_by_role("slider", name="How many").press("ArrowRight")
    settle(tab)
    tab.locator(".st-key-create button").click()
    tab.locator(".st-key-grid img").nth(1).wait_for()
    settle(tab)
    tab.get_by_text("Compare two").click()
    line, both = tab.locator(".slider input"), tab.locator(".slider .both")
    line.wait_for()
    settle(tab)
    assert [picture.evaluate(PICTURE_LOADED) for picture in tab.locator(".slider img").all()] == [True, True]
    both.scroll_into_view_if_needed()
    box = both.bounding_box()
    middle = box["y"] + box["height"] / 3
    tab.mouse.move(box["x"] + box["width"] / 2, middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] / 5, middle, steps=4)
    tab.mouse.up()
    dragged = int(line.input_value())
    assert 15 <= dragged <= 25
    line.press("ArrowRight")
    assert int(line.input_value()) == dragged + 1
    seen = tab.locator(".slider .over").evaluate("(over) => getComputedStyle(over).clipPath")
    assert f"{100 - dragged - 1}%" in seen


def test_the_map_names_what_is_pointed_at_and_a_click_opens_it(tab: Any) -> None:
    tab.goto("/library")
    tab.locator(".st-key-gallery img").first.wait_for()
    settle(tab)
    tab.locator(".st-key-layout").get_by_text("Map").click()
    canvas, told = tab.locator("canvas"), tab.locator(".map output")
    canvas.wait_for()
    settle(tab)
    hint = told.inner_text()
    canvas.press("ArrowRight")
    assert told.inner_text() != hint
    tab.get_by_role("button", name="Nearer").click()
    tab.get_by_role("button", name="Show all").click()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert _found(tab, box, hint), "something lies at the left or the right border"
    named = told.inner_text()
    tab.mouse.down()
    tab.mouse.up()
    tab.locator(".st-key-large img").wait_for()
    settle(tab)
    assert "item=" in tab.url
    assert tab.locator(".studio-title h1").inner_text() in named


def _found(page: Any, box: dict[str, float], hint: str) -> bool:
    """Move the mouse along both borders, one of which the farthest place lies at, until something is named."""
    margin = 34  # of the map, studio/ui/map.js
    for x in (box["x"] + margin, box["x"] + box["width"] - margin):
        for down in range(margin, int(box["height"]) - margin + 1, 8):
            page.mouse.move(x, box["y"] + down)
            if page.locator(".map output").inner_text() != hint:
                return True
    return False


def test_two_pictures_are_morphed_in_the_lab(tab: Any, tmp_path: Path) -> None:
    tab.goto("/lab")
    settle(tab)
    choose(tab, "Show", "One picture into another")
    assert tab.get_by_role("button", name="Draw").is_disabled()
    for number, colour in enumerate(COLOURS[:2]):
        file = tmp_path / f"{number}.png"
        PillowImage.new("RGB", (SIZE, SIZE), colour).save(file)
        tab.locator("input[type=file]").nth(number).set_input_files(file)
        settle(tab)
    tab.get_by_role("button", name="Draw").click()
    drawn = tab.locator(".st-key-large img")
    drawn.wait_for()
    assert drawn.evaluate(PICTURE_LOADED)


def test_a_wrong_file_is_named_when_it_is_to_be_imported(tab: Any, tmp_path: Path, lived_in: Path) -> None:
    wrong = tmp_path / "holiday.pt"
    wrong.write_text("This is no checkpoint.")
    tab.goto("/models")
    settle(tab)
    tab.locator("summary", has_text="Import a checkpoint").click()
    for label, text in (
        ("Checkpoint", str(wrong)),
        ("Language model that it was trained on", str(tmp_path)),
        ("ImageBind", "none"),
        ("Name of the model", "mine"),
    ):
        field = tab.get_by_role("textbox", name=label, exact=True)
        field.fill(text)
        field.press("Tab")
        settle(tab)
    tab.get_by_role("button", name="Import", exact=True).click()
    alert = tab.get_by_test_id("stAlert")
    alert.wait_for()
    assert "holiday.pt" in alert.inner_text()
    assert not (lived_in / "models" / "mine").exists()
    tab.get_by_role("button", name="Import another one").click()
    tab.get_by_role("textbox", name="Checkpoint", exact=True).wait_for()
