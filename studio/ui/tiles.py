"""Media as tiles: a thumbnail that is a button, reached and opened by keyboard as by mouse."""

import base64
import html
from collections.abc import Mapping, Sequence

import streamlit as st

from studio.library.library import Item
from studio.plain_text import printable
from studio.ui.frame import PageStudio, label
from studio.ui.messages import address_of, is_there
from studio.ui.words import N_, _

KIND_NAMES: Mapping[str, str] = {"image": N_("Pictures"), "audio": N_("Sounds"), "video": N_("Videos")}
KIND_ICONS: Mapping[str, str] = {
    "image": ":material/image:",
    "audio": ":material/music_note:",
    "video": ":material/movie:",
}
UNNAMED: Mapping[str, str] = {"image": N_("A picture"), "audio": N_("A sound"), "video": N_("A video")}
MAX_NAME = 60


def show_tiles(
    studio: PageStudio,
    items: Sequence[Item],
    names: Mapping[str, str],
    *,
    notes: Mapping[str, str] | None = None,
    chooses: bool = False,
) -> list[str]:
    """Show media side by side; a click opens one or, with `chooses`, picks it. Return the picked ones, by their ids.

    `notes` are said upon the pictures.
    """
    picked = []
    with st.container(key="gallery"):
        for item in items:
            with st.container(key=f"tile-{item.id[:16]}", gap=None):
                st.html(_picture(studio, item, (notes or {}).get(item.id, "")))
                title = f"{KIND_ICONS[item.modality]} {label(title_of(item, names))}"
                if chooses:
                    if st.checkbox(title, key=f"pick-{item.id[:16]}"):
                        picked.append(item.id)
                    continue
                st.button(
                    title,
                    key=f"open-{item.id[:16]}",
                    type="tertiary",
                    width="stretch",
                    on_click=open_item,
                    args=(item.id,),
                )
    return picked


def title_of(item: Item, names: Mapping[str, str]) -> str:
    """Return what a medium is called on the page, shortened."""
    name = " ".join(names.get(item.id, "").split()) or _(UNNAMED[item.modality])
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1].rstrip() + "…"


def open_item(media_id: str) -> None:
    """Have the library show a medium by itself."""
    st.query_params["item"] = media_id


def _picture(studio: PageStudio, item: Item, note: str) -> str:
    webp = studio.library.thumbnail(item.id)
    star = '<b class="studio-star">★</b>' if item.is_starred else ""
    said = f"<em>{html.escape(printable(note))}</em>" if note else ""
    source = "" if webp is None else f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
    if webp is None and item.modality == "image" and item.is_stored and is_there(studio, item.id):  # not looked at yet
        source = address_of(studio, item.id)
    if not source:
        return f'<div class="studio-tile studio-unseen">{star}{said}</div>'
    return f'<div class="studio-tile"><img alt="" src="{html.escape(source)}">{star}{said}</div>'
