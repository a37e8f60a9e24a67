"""What all pages share: the studio behind them, their style, and text that is shown as it is."""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from studio.history import History
from studio.home import studio_home
from studio.jobs import JobQueue
from studio.media_store import MediaStore
from studio.plain_text import printable
from studio.store import Store

ICON = Path(__file__).with_name("icon.svg")
STYLE = Path(__file__).with_name("style.css")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@dataclass(frozen=True)
class PageStudio:
    """The studio's records as the pages use them; models live in the worker, never here."""

    store: Store
    history: History
    queue: JobQueue
    media: MediaStore


def page_studio() -> PageStudio:
    """Open the studio named by STUDIO_HOME, once for all sessions of the server."""
    return _open(str(studio_home()))


@st.cache_resource(show_spinner=False)
def _open(home: str) -> PageStudio:
    store = Store(Path(home))
    return PageStudio(store, History(store), JobQueue(store), MediaStore(store))


def open_page() -> None:
    """Put the studio's style on the page."""
    st.html(STYLE)


def label(text: str) -> str:
    """Return text for a Streamlit label, which reads Markdown, so that it shows as it is."""
    return _PUNCTUATION.sub(r"\\\1", printable(text))


def show_text(text: str, *, kind: str) -> None:
    """Show somebody's words as they are, in the style of `kind`, as wide as they need."""
    st.html(f'<div class="studio-{kind}">{html.escape(printable(text))}</div>', width="content")
