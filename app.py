"""The studio as a web page: `studio serve`, or `streamlit run app.py`."""

import streamlit as st

from studio.ui.chat import show_chat
from studio.ui.frame import ICON, open_page

st.set_page_config(page_title="Multimodal Studio", page_icon=ICON.read_text(encoding="utf-8"), layout="centered")
open_page()
show_chat()
