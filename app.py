"""The studio as web pages: `studio serve`, or `streamlit run app.py`."""

import streamlit as st

from studio.ui.frame import ICON, open_page
from studio.ui.pages import choose_page

st.set_page_config(page_title="Multimodal Studio", page_icon=ICON.read_text(encoding="utf-8"), layout="centered")
open_page()
choose_page().run()
