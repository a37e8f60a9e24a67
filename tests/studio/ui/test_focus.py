"""The pages by the Tab key in Chromium: stops come in the order of reading and back, each can be seen, none holds one fast."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from screenshots import PATIENCE_MS, WIDE, settle

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
MOST_STOPS = 120
REGIONS = ("side bar", "page", "field")  # in the order of reading; what stands above all is Streamlit's own
SLACK = 4.0  # pixels by which neighbours in a row may be out of line

# How an element and what is around and in it look, and where it stands in the region that it scrolls with.
PREPARE = """() => {
  const LOOKS = ['outlineStyle', 'outlineWidth', 'outlineColor', 'boxShadow', 'borderTopColor', 'backgroundColor', 'color',
    'opacity'];
  window.lookOf = (one) => {
    document.getAnimations().forEach((moving) => { try { moving.finish(); } catch { /* one without an end */ } });
    const around = [one, ...one.querySelectorAll('*')].slice(0, 12);
    for (let up = one.parentElement, left = 16; up && left; up = up.parentElement, left--) around.push(up);
    return around.map((each) => LOOKS.map((look) => getComputedStyle(each)[look]).join()).join('|');
  };
  window.drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))));
  window.stops = [];
}"""
STOP = r"""async () => {
  await window.drawn();
  const one = document.activeElement;
  if (!one || one === document.body || one === window.stops[0]?.one) return null;
  const box = one.getBoundingClientRect();
  const regions = {'side bar': '[data-testid="stSidebarContent"]', field: '[data-testid="stBottom"]', page: '.stMain'};
  const found = Object.entries(regions).find(([, where]) => one.closest(where));
  const down = found ? one.closest(regions[found[0]]).scrollTop : 0;
  window.stops.push({ one, look: window.lookOf(one) });
  const name = one.getAttribute('aria-label') || one.innerText || one.placeholder || one.title || one.outerHTML.slice(0, 120);
  return { name: `${one.tagName.toLowerCase()} ${name.trim().replace(/\s+/g, ' ').slice(0, 60)}`, region: found ? found[0] : '',
    is_in_field: Boolean(one.closest('[data-testid="stChatInput"]')),
    left: box.left, right: box.right, top: box.top + down, bottom: box.bottom + down };
}"""
IS_SEEN = """async () => {
  await window.drawn();
  const last = window.stops.at(-1);
  return last.look !== window.lookOf(last.one);
}"""


@dataclass(frozen=True)
class Stop:
    """Where the Tab key came to rest, and whether it looks otherwise than before and after."""

    name: str
    region: str
    is_in_field: bool
    left: float
    right: float
    top: float
    bottom: float
    is_seen: bool


def tab_through(page: Any) -> list[Stop]:
    """Press Tab until it has left the page or has come round."""
    page.evaluate("document.activeElement?.blur()")
    page.evaluate(PREPARE)
    page.keyboard.press("Tab")
    stops: list[Stop] = []
    while found := page.evaluate(STOP):
        assert len(stops) < MOST_STOPS, f"Tab does not come round: {[stop.name for stop in stops[-6:]]}"
        page.keyboard.press("Tab")
        stops.append(Stop(**found, is_seen=page.evaluate(IS_SEEN)))
    return stops


def goes_back(before: Stop, after: Stop) -> bool:
    """Tell whether the second stands above the first and not in a column at its right, or in its row at its left."""
    if before.region != after.region:
        return REGIONS.index(after.region) < REGIONS.index(before.region)
    if (before.is_in_field and after.is_in_field) or before.name.startswith("main "):
        return False  # a field comes before its own buttons on either side; the page before what is on it
    is_above = after.bottom <= before.top + SLACK
    is_in_row = not is_above and after.top < before.bottom - SLACK
    return (is_above and after.left < before.right - SLACK) or (is_in_row and after.right <= before.left + SLACK)


def tab_back(page: Any, count: int) -> list[str]:
    """Press Shift+Tab so often, from behind the last stop; return where it came to rest."""
    names = []
    for _number in range(count):
        page.evaluate("window.stops = []")
        page.keyboard.press("Shift+Tab")
        found = page.evaluate(STOP)
        names.append(found["name"] if found else "nowhere")
    return names


@pytest.fixture(scope="module")
def tab(browser: Any) -> Any:
    page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    return page


# Something that must be reached on each page, in this order.
REACHED = {
    "": ("Chat", "New conversation", "Draw a red bell", "Say, show or play something", "Upload files"),
    "create": ("Create", "Your wish", "Options", "Grid", "auto_awesome Create"),
    "library": ("Library", "Add", "Search"),
    "models": ("Models", "tiny", "Talk with it", "Import a checkpoint"),
}


@pytest.mark.parametrize("path", REACHED)
def test_the_tab_key_goes_through_a_page_as_it_is_read_and_with_shift_back(tab: Any, address: str, path: str) -> None:
    tab.goto(f"{address}/{path}")
    tab.locator(".studio-title, .studio-hero").first.wait_for()
    settle(tab)
    stops = tab_through(tab)
    own = [stop for stop in stops if stop.region]
    names = iter(stop.name for stop in own)
    assert all(any(wanted in name for name in names) for wanted in REACHED[path]), [stop.name for stop in own]
    assert not [(a, b) for a, b in pairwise(own) if goes_back(a, b)]
    # A field with buttons of its own keeps its border while the next Tab is on one of them; there the cursor shows where it is.
    assert not [stop.name for stop in stops if not stop.is_seen and not (stop.is_in_field and "textarea" in stop.name)]
    assert tab_back(tab, len(stops)) == [stop.name for stop in reversed(stops)]
