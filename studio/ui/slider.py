"""Two of the things that were made, upon each other, with a line between them to drag."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from studio.server.media_route import media_path
from studio.ui.frame import label
from studio.ui.person import media_key
from studio.ui.words import _

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

SEEN = ("image", "video")


def offer_comparison(kinds: Sequence[str], media: Sequence[str], names: Sequence[str]) -> None:
    """Offer to lay two media upon each other; the first two at first. What is only heard is left out."""
    shown = [number for number, kind in enumerate(kinds[: len(media)]) if kind in SEEN]
    if len(shown) < 2 or not st.toggle(_("Compare two"), key="compares"):
        return

    def named(number: int) -> str:
        return label(f"{number + 1}: {names[number]}")

    left, right = st.columns(2)
    with left:
        first = st.selectbox(_("On the left"), shown, format_func=named, key="compared_left")
    with right:
        second = st.selectbox(_("On the right"), shown, index=1, format_func=named, key="compared_right")
    _component()(
        key="slider",
        data={
            side: {
                "kind": kinds[number],
                "source": media_path(media[number]) + media_key(),
                "name": f"{number + 1}: {names[number]}",
            }
            for side, number in (("left", first), ("right", second))
        }
        | {"label": _("How much is seen of the left one")},
    )


@cache
def _component() -> "ComponentRenderer":
    html, css, js = (
        Path(__file__).with_suffix(f".{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    return st.components.v2.component("studio_slider", html=html, css=css, js=js)
