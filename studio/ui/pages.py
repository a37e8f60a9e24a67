"""The pages there are, and the way from one to another."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from studio.ui.chat import show_chat
from studio.ui.frame import MARK
from studio.ui.words import _


def choose_page() -> StreamlitPage:
    """Show the way to every page in the side bar; return the one that the address names."""
    pages = [
        st.Page(show_chat, title=_("Chat"), icon=":material/chat_bubble:", url_path="chat", default=True),
    ]
    chosen = st.navigation(pages, position="hidden")
    with st.sidebar:
        st.html(f'<div class="studio-brand">{MARK} Multimodal Studio</div>')
        with st.container(key="pages", gap=None):
            for page in pages:
                st.page_link(page, width="stretch")
    return chosen
