"""The studio as web pages: `studio serve`, or `streamlit run app.py`. A server imports `app`; Streamlit runs the rest."""

import streamlit as st

from studio.server.application import lifespan, middleware, routes
from studio.ui.frame import ICON, open_page
from studio.ui.pages import choose_page

if __name__ == "__main__":  # as Streamlit runs it, for every visit
    st.set_page_config(page_title="Multimodal Studio", page_icon=ICON.read_text(encoding="utf-8"), layout="centered")
    open_page()
    choose_page().run()
else:
    app = st.App(__file__, lifespan=lifespan, routes=routes(), middleware=middleware())
