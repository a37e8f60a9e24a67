"""axe-core looks at every page in Chromium, wide and narrow, light and dark: no serious violation."""

from typing import Any

import pytest
from screenshots import NARROW, PATIENCE_MS, WIDE, settle

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PAGES = ("", "create", "lab", "library", "train", "models")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def page(browser: Any) -> Any:
    """One tab for all pages: it has the program already when the next one is opened."""
    tab = browser.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    return tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_serious_violation(
    page: Any, address: str, path: str, size: tuple[int, int], scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{address}/{path}")
    page.locator(".studio-title, .studio-hero").first.wait_for()
    settle(page)
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in SERIOUS]
    told = [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} | {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"][:4]
    ]
    assert not told, "\n".join(told)
