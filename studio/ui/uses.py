"""What can be done with a medium of a reply: keep it, say something about it, look for its like."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from studio.ui.frame import PageStudio, go_to_page
from studio.ui.messages import MIME, THINGS, is_there
from studio.ui.similar import find_similar
from studio.ui.words import _


def show_uses(studio: PageStudio, part: Mapping[str, Any], key: str) -> None:
    """Show the actions of a medium in one row."""
    media = part["media"]
    if not is_there(studio, media):
        return
    path = studio.media.path(media)
    with st.container(key=f"uses-{key}", horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            _(THINGS[part["type"]]),
            path.read_bytes,  # when it is asked for, not at every look at the page
            file_name=f"{part['type']}-{media[:8]}{path.suffix}", mime=MIME[part["type"]],
            key=f"download-{key}", icon=":material/download:", type="tertiary", on_click="ignore",
            help=_(
                "Download. The file carries its recipe, with the words of this conversation: `studio replay` makes it again."
            ),
        )  # fmt: skip
        st.button(
            _("Use as input"), key=f"use-{key}", icon=":material/reply:", type="tertiary",
            help=_("It goes with what you say next."), on_click=_use, args=(media,),
        )  # fmt: skip
        if st.button(_("Find similar"), key=f"similar-{key}", icon=":material/image_search:", type="tertiary"):
            go_to_page("library", found=find_similar(studio, media).id)


def _use(media_id: str) -> None:
    st.session_state.used = list(dict.fromkeys([*st.session_state.get("used", []), media_id]))
