"""The map of the library to wander in: what means nearly the same lies near, a click opens it."""

import base64
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from PIL import Image as PillowImage

from studio.library.gallery import View
from studio.library.map import LibraryMap, landmarks, map_of
from studio.plain_text import printable
from studio.ui.frame import PageStudio, page_studio, show_empty, show_text
from studio.ui.tiles import KIND_NAMES, UNNAMED, open_item
from studio.ui.words import _

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

KEY = "map"
COLOURS = {"image": "#7a6cf0", "audio": "#2fa595", "video": "#e0703f"}
MAX_NAME = 48
PICTURE_PIXELS = 96
SMALLEST = 3  # media; fewer have no directions in which they differ


def show_map(studio: PageStudio, view: View) -> None:
    """Show the media of a view on a map."""
    drawn = _drawn(str(studio.store.home), view, repr(studio.store.mark()))
    if len(drawn.places) < SMALLEST:
        show_empty(
            _("No map yet"),
            _("A map shows what lies near what. It needs three media or more that the model has looked at."),
        )
        return
    if drawn.total > len(drawn.places):
        shown = _("{shown} of {count} are shown, evenly chosen. Narrow the view to see the others.")
        show_text(shown.format(shown=len(drawn.places), count=drawn.total), kind="note")
    _component()(key=KEY, data=_told(studio, drawn), on_opened_change=_open)
    kinds = {place.modality for place in drawn.places}
    keys = "".join(
        f'<span><i style="background:{COLOURS[kind]}"></i>{_(KIND_NAMES[kind])}</span>'
        for kind in COLOURS
        if kind in kinds
    )
    st.html(f'<div class="studio-legend">{keys}</div>')


@st.cache_data(max_entries=4, show_spinner=False)
def _drawn(home: str, view: View, mark: str) -> LibraryMap:
    """Draw a map once for as long as the database stays as it is."""
    return map_of(page_studio().library, view)


def _told(studio: PageStudio, drawn: LibraryMap) -> dict[str, Any]:
    """Return what the map in the browser is told."""
    pictures = {}
    for number in landmarks(drawn.places):
        if (webp := studio.library.thumbnail(drawn.places[number].media)) is not None:
            pictures[number] = _small(webp)
    return {
        "places": [
            {"id": place.media, "kind": place.modality, "x": round(place.x, 4), "y": round(place.y, 4),
             "name": _short(place.name) or _(UNNAMED[place.modality])}
            for place in drawn.places
        ],
        "pictures": pictures,
        "colours": COLOURS,
        "words": {
            "map": _("Map of the library. Arrow keys go from one to the next, Enter opens, plus and minus zoom."),
            "hint": _("Point at something to see what it is, click to open it."),
            "nearer": _("Nearer"),
            "farther": _("Farther"),
            "all": _("Show all"),
            "kinds": {kind: _(name) for kind, name in UNNAMED.items()},
        },
    }  # fmt: skip


def _short(name: str) -> str:
    name = " ".join(printable(name).split())
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1].rstrip() + "…"


@cache
def _small(webp: bytes) -> str:
    """Return a thumbnail as a small square in the form that a page can show."""
    with PillowImage.open(io.BytesIO(webp), formats=["WEBP"]) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("RGB").crop((left, top, left + side, top + side))
    square.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    written = io.BytesIO()
    square.save(written, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(written.getvalue()).decode()


@cache
def _component() -> "ComponentRenderer":
    html, css, js = (
        Path(__file__).with_suffix(f".{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component("studio_map", html=html, css=css, js=js)


def _open() -> None:
    chosen = st.session_state[KEY].opened
    if chosen:
        open_item(chosen)
