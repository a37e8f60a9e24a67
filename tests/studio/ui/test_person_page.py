"""Whose page it is where a provider says so: strangers see a button, those who are not invited are told, others see their own."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from studio.conversation.history import History
from studio.home import home_of
from studio.models.loaded import note_loaded
from studio.server.access import Access
from studio.server.gate import MEDIA_TOKEN
from studio.server.sessions import Sessions
from studio.store import Store

SAID = {"is_logged_in": True, "email": "Anna@Example.org", "email_verified": True}


@pytest.fixture(autouse=True)
def _provided(started_workers: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    known = Sessions(b"k" * 32, Access(invited=("anna@example.org",)))
    monkeypatch.setattr("studio.ui.person.sessions", lambda: known)


def chat_of(**user: Any) -> AppTest:
    page = open_page("chat")
    page.user = user
    return page.run()


def test_a_stranger_sees_a_button_and_nothing_else() -> None:
    page = chat_of(is_logged_in=False)
    assert not page.exception
    assert [button.key for button in page.button] == ["sign-in"]
    assert not page.chat_input


@pytest.mark.parametrize(
    "odd", [{"email": "ben@example.org"}, {"email": ""}, {"email_verified": False}, {"email_verified": None}]
)
def test_who_is_not_invited_is_told_and_can_leave(odd: dict[str, Any]) -> None:
    page = chat_of(**{**SAID, **odd})
    assert not page.exception
    assert "not invited" in page.warning[0].value
    assert [button.key for button in page.button] == ["sign-out-stranger"]
    assert not page.chat_input


def test_who_is_invited_has_a_studio_of_their_own(home: Path) -> None:
    History(Store(home)).create("tiny")
    page = chat_of(**SAID)
    assert not page.exception
    page.chat_input[0].set_value("hello").run()
    assert "hello" in html_of(page)
    assert page.button(key="sign-out")
    assert len(History(Store(home_of("anna@example.org", home))).recent()) == 1
    assert History(Store(home)).recent() == []


@pytest.mark.parametrize(
    ("preset", "seen"), [("/people/ben/imported/secret", "another person's model"), ("tiny", "tiny")]
)
def test_of_a_model_that_somebody_else_imported_no_name_is_seen(preset: str, seen: str, home: Path) -> None:
    note_loaded(home)(preset)
    page = open_page("models")
    page.user = SAID
    page.run()
    assert not page.exception
    assert f"In memory: {seen}" in html_of(page).replace("&#x27;", "'")
    assert "secret" not in html_of(page)


def test_pictures_that_are_compared_are_asked_for_in_their_name() -> None:
    script = (
        "from studio.ui.slider import offer_comparison as offer\noffer(['image'] * 2, ['a' * 64, 'b' * 64], ['a', 'b'])"
    )
    page = AppTest.from_string(script)
    page.user = SAID
    page.session_state.compares = True
    page.run()
    assert not page.exception
    (slider,) = page.get("bidi_component")
    assert str(slider.proto).count(f"?{MEDIA_TOKEN}=") == 2
