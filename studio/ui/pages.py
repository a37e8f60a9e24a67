"""The pages there are, and the way from one to another."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from studio.ui.chat import show_chat
from studio.ui.create import show_create
from studio.ui.frame import MARK, page_studio
from studio.ui.lab import show_lab
from studio.ui.library import show_library
from studio.ui.models import show_models
from studio.ui.person import person, show_way_out
from studio.ui.train import show_train
from studio.ui.words import _
from studio.ui.work import show_queue


def choose_page() -> StreamlitPage:
    """Show the way to every page in the side bar; return the one that the address names. Nothing is shown to strangers."""
    person()
    pages = [
        st.Page(show_chat, title=_("Chat"), icon=":material/chat_bubble:", url_path="chat", default=True),
        st.Page(show_create, title=_("Create"), icon=":material/auto_awesome:", url_path="create"),
        st.Page(show_lab, title=_("Lab"), icon=":material/science:", url_path="lab"),
        st.Page(show_library, title=_("Library"), icon=":material/photo_library:", url_path="library"),
        st.Page(show_train, title=_("Train"), icon=":material/model_training:", url_path="train"),
        st.Page(show_models, title=_("Models"), icon=":material/neurology:", url_path="models"),
    ]
    st.session_state.pages = {page.url_path or "chat": page for page in pages}
    chosen = st.navigation(pages, position="hidden")
    with st.sidebar:
        st.html(f'<div class="studio-brand">{MARK} Multimodal Studio</div>')
        with st.container(key="pages", gap=None):
            for page in pages:
                st.page_link(page, width="stretch")
        show_queue(page_studio())
        show_way_out()
    return chosen
