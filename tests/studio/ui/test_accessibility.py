"""axe-core looks at every page in Chromium, empty and with things in it, wide and narrow, light and dark."""

from typing import Any

import pytest
from screenshots import NARROW, PATIENCE_MS, WIDE, create, say, settle

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PAGES = ("", "create", "lab", "library", "train", "models")
FILLED = ("chat", "create", "lab", "library", "item", "map")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    """One tab for all pages: it has the program already when the next one is opened."""
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    return tab


def violations(page: Any) -> str:
    """What axe-core holds against a page, in a line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS]
    return "\n".join(
        f"{one['id']} ({one['impact']}): {node['html'][:160]} | {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"][:4]
    )


def look(page: Any, size: tuple[int, int], scheme: str) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_serious_violation(
    page: Any, address: str, path: str, size: tuple[int, int], scheme: str
) -> None:
    look(page, size, scheme)
    page.goto(f"{address}/{path}")
    page.locator(".studio-title, .studio-hero").first.wait_for()
    settle(page)
    assert not violations(page)


@pytest.fixture(scope="module")
def filled(page: Any, address: str) -> dict[str, str]:
    """Pages on which something was made, by their addresses."""
    look(page, WIDE, "light")
    page.goto(address)
    say(page, "Draw a yellow bird at night and let me hear it")
    made = {"chat": page.url, "create": create(page, address, "A picture", "a red bell", across="bell, boat")}
    page.goto(f"{address}/lab")
    page.get_by_role("button", name="Draw").click()
    page.locator(".st-key-large img").first.wait_for()
    settle(page)
    made["lab"] = page.url
    page.goto(f"{address}/library")
    page.get_by_text("Looking at what is new").wait_for(state="hidden")
    page.locator(".st-key-gallery button").first.click()
    page.locator(".st-key-large img").first.wait_for()
    return made | {"library": f"{address}/library", "item": page.url, "map": f"{address}/library"}


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
@pytest.mark.parametrize("name", FILLED)
def test_a_page_with_things_in_it_has_no_serious_violation(
    page: Any, filled: dict[str, str], name: str, size: tuple[int, int], scheme: str
) -> None:
    look(page, size, scheme)
    page.goto(filled[name])
    page.locator(".studio-title, .studio-said").first.wait_for()
    settle(page)
    if name == "map":
        page.locator(".st-key-layout").get_by_text("Map").click()
        page.locator("canvas").wait_for()
        settle(page)
    assert not violations(page)
