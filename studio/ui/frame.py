"""What all pages share: the studio behind them, their style, and text that is shown as it is."""

import html
import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import streamlit as st

from studio.conversation.history import History
from studio.home import home_of, studio_home
from studio.jobs.queue import JobQueue
from studio.jobs.worker import ensure_worker
from studio.library.library import Library
from studio.media_store import MediaStore
from studio.models.presets import page_preset
from studio.plain_text import printable
from studio.store import Store
from studio.ui.person import is_shared, person

ICON = Path(__file__).with_name("icon.svg")
STYLE = Path(__file__).with_name("style.css")
MARK = '<span class="studio-mark"><i></i><i></i><i></i><i></i></span>'
NARROW, WIDE = "46rem", "72rem"
FILE_TYPES = [
    "png",
    "jpg",
    "jpeg",
    "webp",
    "gif",
    "wav",
    "flac",
    "ogg",
    "mp3",
    "m4a",
    "mp4",
    "mov",
    "webm",
    "mkv",
    "avi",
]
LOOK_FOR_WORKER_SECONDS = 2.0
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@dataclass(frozen=True)
class PageStudio:
    """The studio's records as the pages use them; models live in the worker, never here."""

    store: Store
    history: History
    queue: JobQueue
    media: MediaStore
    library: Library


def page_studio() -> PageStudio:
    """Open the things of whoever looks, in the studio named by STUDIO_HOME; once for all their visits."""
    return _open(str(home_of(person(), studio_home())))


@st.cache_resource(show_spinner=False)
def _open(home: str) -> PageStudio:
    store = Store(Path(home))
    return PageStudio(
        store, History(store), JobQueue(store, is_confined=is_shared()), MediaStore(store), Library(store)
    )


def open_page() -> None:
    """Put the studio's style on the page."""
    st.html(STYLE)


def go_to_page(name: str, **address: str) -> None:
    """Leave for another page, by the name that the address has for it, with what else its address is to say."""
    st.switch_page(st.session_state.pages[name], query_params=address)


def set_width(width: str) -> None:
    """Make the page's column so wide at most."""
    st.html(f"<style>:root {{ --studio-width: {width}; }}</style>")


def show_title(title: str, remark: str = "") -> None:
    """Show a page's name, and in a line what it is for."""
    st.html(
        f'<div class="studio-title"><h1>{html.escape(title)}</h1>'
        + (f"<p>{html.escape(remark)}</p></div>" if remark else "</div>")
    )


def show_empty(title: str, remark: str) -> None:
    """Show what there will be where there is nothing yet, and how it gets there."""
    st.html(f'<div class="studio-empty">{MARK}<h2>{html.escape(title)}</h2><p>{html.escape(remark)}</p></div>')


def wake_worker(studio: PageStudio) -> None:
    """Let the model load while the person still thinks; once for every visit."""
    if "woken" not in st.session_state:
        st.session_state.woken = True
        ensure_worker(studio.store.home, preset=page_preset())


def chosen_preset() -> str:
    """Return the preset that new work is done with: the one chosen on this visit, else the server's."""
    return str(st.session_state.get("preset") or page_preset())


def look_for_worker(studio: PageStudio) -> None:
    """Replace a worker that died: its interrupted job runs again."""
    if monotonic() - st.session_state.get("looked", 0.0) > LOOK_FOR_WORKER_SECONDS:
        st.session_state.looked = monotonic()
        ensure_worker(studio.store.home, preset=page_preset())


def label(text: str) -> str:
    """Return text for a Streamlit label, which reads Markdown, so that it shows as it is."""
    return _PUNCTUATION.sub(r"\\\1", printable(text))


def show_text(text: str, *, kind: str) -> None:
    """Show somebody's words as they are, in the style of `kind`, as wide as they need."""
    st.html(f'<div class="studio-{kind}">{html.escape(printable(text))}</div>', width="content")
