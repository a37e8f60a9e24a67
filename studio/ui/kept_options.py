"""Options of the creating page under names of the person's own: chosen again with one click, kept, forgotten."""

import streamlit as st

from studio.errors import StudioError
from studio.option_sets import MAX_NAME, OptionSets
from studio.ui.faults import told
from studio.ui.frame import PageStudio, label
from studio.ui.words import _

# The widgets whose values make up a set, by their keys.
OPTIONS = (
    "count", "holds_seed", "seed", "sets_steps", "steps", "sets_guidance", "guidance", "strength", "across",
    "across_values", "down", "down_values",
)  # fmt: skip
CHOSEN = "option_set"


def choose_kept_options(studio: PageStudio) -> None:
    """Show the sets that there are; one that is chosen fills in the options below it."""
    sets = OptionSets(studio.store.home)
    names = list(sets.all())
    if names:
        st.pills(
            _("Kept options"), names, format_func=label, key=CHOSEN, on_change=_fill_in, args=(sets,),
        )  # fmt: skip


def offer_to_keep_options(studio: PageStudio) -> None:
    """Offer to keep the options as they are now, and to forget the chosen set."""
    sets = OptionSets(studio.store.home)
    with st.container(key="keeping-options", horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover(_("Keep these options"), icon=":material/bookmark_add:", type="tertiary"):
            name = st.text_input(_("Name"), key="set_name", max_chars=MAX_NAME, placeholder=_("quick sketch"))
            if st.button(_("Keep"), key="keep-set", type="primary", disabled=not name.strip()):
                try:
                    sets.keep(name, {key: st.session_state[key] for key in OPTIONS if key in st.session_state})
                except StudioError as error:
                    st.error(told(error), icon=":material/error:")
                else:
                    st.rerun()
        chosen = st.session_state.get(CHOSEN)
        if chosen is not None:
            st.button(
                _("Forget “{name}”").format(name=label(chosen)), key="forget-set", icon=":material/delete:",
                type="tertiary", on_click=sets.forget, args=(chosen,),
            )  # fmt: skip


def _fill_in(sets: OptionSets) -> None:
    options = sets.all().get(st.session_state[CHOSEN] or "", {})
    for key in OPTIONS:
        if key in options:
            st.session_state[key] = options[key]
