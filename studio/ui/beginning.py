"""The picture that a wish begins with: added, or taken from what was made here."""

from typing import Any

import streamlit as st

from studio.errors import StudioError
from studio.ui.frame import PageStudio, show_text
from studio.ui.messages import show_media
from studio.ui.words import _

CHOSEN = "begins_with"
TYPES = ["png", "jpg", "jpeg", "webp", "gif"]
SHOWN = 140


def choose_beginning(studio: PageStudio) -> tuple[str | None, Any, float | None]:
    """Return the picture to begin with, by its id or as an uploaded file, and how much of it may change."""
    chosen, file = _known(studio), None
    with st.expander(_("Begin with a picture"), icon=":material/image:", expanded=chosen is not None):
        if chosen is not None:
            with st.container(key="beginning", horizontal=True, vertical_alignment="bottom", gap="small"):
                show_media(studio, "image", chosen, width=SHOWN)
                st.button(
                    _("Leave it out"), key="begin-afresh", icon=":material/close:", type="tertiary", on_click=_drop
                )
        else:
            show_text(_("What is made keeps the shapes of the picture, as far as it may not change."), kind="note")
            file = st.file_uploader(_("Picture"), TYPES, label_visibility="collapsed", key="beginning_file")
        if chosen is None and file is None:
            return None, None, None
        strength = st.slider(
            _("How much may change"), 0.1, 1.0, value=0.6, step=0.05, key="strength",
            help=_("A little keeps the picture, 1 leaves nothing of it."),
        )  # fmt: skip
    return chosen, file, float(strength)


def begin_with(media_id: str) -> None:
    """Have the next wish begin with a picture of the studio."""
    st.session_state[CHOSEN] = media_id
    st.session_state.modality = "image"


def _known(studio: PageStudio) -> str | None:
    chosen = st.session_state.get(CHOSEN)
    if chosen is None:
        return None
    try:
        return studio.media.get(str(chosen)).id
    except StudioError:
        _drop()
        return None


def _drop() -> None:
    st.session_state.pop(CHOSEN, None)
