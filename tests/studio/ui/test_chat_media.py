"""The chat page with what goes in and out of it: kept conversations, media chosen in the library, what was made used again."""

import io
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from studio_pages import answer, ask, conversation_of, html_of, make_everything, open_page

from encoders.media import Image
from studio.conversation.history import History
from studio.conversation.transcript import to_html, to_markdown
from studio.jobs.queue import JobQueue, Lease
from studio.media_store import MediaStore
from studio.notices import notice
from studio.store import Store
from studio.ui.words import in_language


@pytest.fixture
def page(started_workers: list[Path]) -> AppTest:
    return open_page("chat").run()


def test_a_conversation_is_kept_as_a_page_and_as_markdown(page: AppTest, store: Store) -> None:
    ask(page, "<script>alert(1)</script> *draw*")
    answer(store, make_everything)
    page.run()
    assert sum((button.key or "").startswith("keep-") for button in page.get("download_button")) == 2
    history, media, conversation = History(store), MediaStore(store), conversation_of(page)
    kept = to_html(history, media, conversation).decode()
    assert "<script>" not in kept and "&lt;script&gt;" in kept
    assert all(f"data:{kind}" in kept for kind in ("image/png", "audio/wav", "video/mp4"))
    with zipfile.ZipFile(io.BytesIO(to_markdown(history, media, conversation))) as archive:
        assert sorted(archive.namelist()) == ["01-image.png", "02-audio.wav", "03-video.mp4", "conversation.md"]
        text = archive.read("conversation.md").decode()
    assert "\\*draw\\*" in text and "![Image](01-image.png)" in text


def test_a_conversation_is_kept_in_its_readers_language(
    page: AppTest, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is made when the page that offers it has ended, in another thread, where no browser tells its language."""
    made: dict[str, Callable[[], bytes]] = {}
    offer = st.download_button

    def noted(label: str, data: Callable[[], bytes], **how: Any) -> bool:
        made[how["key"]] = data
        return offer(label, data, **how)

    monkeypatch.setattr(st, "download_button", noted)
    monkeypatch.setattr("studio.ui.turns.language", lambda: "zh-CN")
    ask(page, "hello")

    def forgetful(lease: Lease, media: MediaStore) -> list[dict[str, Any]]:
        return [*make_everything(lease, media), {"type": "notice"} | notice("cut").to_dict()]

    answer(store, forgetful)
    page.run()
    with ThreadPoolExecutor(1) as elsewhere:
        kept = elsewhere.submit(made["keep-html"]).result().decode()
        archive = zipfile.ZipFile(io.BytesIO(elsewhere.submit(made["keep-markdown"]).result()))
    said = in_language(str(notice("cut")), "zh-CN")
    assert '<html lang="zh-CN">' in kept
    for text in (kept, archive.read("conversation.md").decode()):
        assert said in text and "The reply was cut" not in text
        assert "hello" in text, "what was said stays as it was said"


def test_what_was_chosen_in_the_library_goes_with_what_is_said(page: AppTest, store: Store) -> None:
    stored, _ = MediaStore(store).add(Image.from_uint8(np.zeros((8, 8, 3), np.uint8)))
    page.session_state["used"] = [stored.id]
    page.run()
    assert "goes with what you say next" in html_of(page)
    ask(page, "What is this?")
    assert not page.exception
    (upload, _words) = History(store).messages(conversation_of(page))[0].content
    assert MediaStore(store).upload_path(upload["upload"]).is_file()
    assert "used" not in page.session_state


def test_what_was_chosen_and_then_deleted_is_left_out(store: Store) -> None:
    page = open_page("chat")
    page.session_state.used = ["0" * 64]
    page.run()
    assert not page.exception
    assert "unuse" not in [button.key for button in page.button]


def test_a_conversation_outlasts_a_file_that_is_gone_and_says_so(page: AppTest, store: Store) -> None:
    ask(page, "everything, please")
    answer(store, make_everything)
    kept = [part["media"] for part in History(store).messages(conversation_of(page))[1].content if "media" in part]
    MediaStore(store).path(kept[0]).unlink()
    page.run()
    assert not page.exception
    assert "missing from the studio" in html_of(page)
    assert sum((button.key or "").startswith("use-") for button in page.button) == len(kept) - 1


def test_what_was_made_goes_with_what_is_said_next_and_is_sought_by(page: AppTest, store: Store) -> None:
    ask(page, "everything, please")
    answer(store, make_everything)
    page.run()
    uses = [button for button in page.button if (button.key or "").startswith("use-")]
    assert len(uses) == 3
    uses[0].click().run()
    assert not page.exception
    picture = next(
        part["media"] for part in History(store).messages(conversation_of(page))[1].content if "media" in part
    )
    assert page.session_state["used"] == [picture]
    next(button for button in page.button if (button.key or "").startswith("similar-")).click().run()
    assert not page.exception
    lease = JobQueue(store).claim()
    assert lease is not None and lease.job.kind == "search"
    assert lease.job.payload["text"] == f"like:{picture}"
