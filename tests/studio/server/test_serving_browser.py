"""The server as a browser meets it, without a model: players fetch and seek; a password or a provider stands before all."""

from pathlib import Path
from typing import Any

import pytest
import torch
from serving import STREAMLIT, free_port, serving

from encoders.media import Audio, Image, Video
from studio.conversation.history import History
from studio.home import home_of
from studio.jobs.queue import JobQueue
from studio.media_store import MediaStore
from studio.server.access import password_line
from studio.store import Store

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
PATIENCE_MS = 240_000
PASSWORD = "a long password"
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "what the cookies of this test are signed with"
client_id = "{client}"
client_secret = "{secret}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
[studio]
invited = ["@example.org"]
"""


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_PRESET", "none")


def tell(home: Path) -> str:
    """Write down a conversation with a picture, a sound and a video; return its id."""
    store = Store(home)
    media, history = MediaStore(store), History(store)
    pixels = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    made = [
        media.add(Image(pixels))[0],
        media.add(Audio(torch.linspace(0, 4000, 80_000).sin()[None] / 2, 8000))[0],
        media.add(Video(torch.stack([pixels.roll(shift, -1) for shift in range(40)]), rate=8))[0],
    ]
    conversation = history.create("tiny").id
    job = JobQueue(store).submit("chat", {"conversation": conversation, "preset": "tiny", "options": {"seed": 1}})
    lease = JobQueue(store).claim()
    assert lease is not None
    history.append(conversation, "user", [{"type": "text", "text": "all of it"}], job=job.id)
    content = [{"type": one.modality, "media": one.id} for one in made]
    history.append(conversation, "assistant", content, job=job.id)
    lease.finish({"content": content, "seconds": 1.0})
    return conversation


def test_pictures_show_and_players_seek_with_what_the_store_sends(browser: Any, home: Path) -> None:
    conversation = tell(home)
    with serving(home, command=STREAMLIT) as address:
        page = browser.new_page()
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status) if "/studio/media/" in answer.url else None)
        page.goto(f"{address}/?c={conversation}", timeout=PATIENCE_MS)
        page.wait_for_function(
            "document.querySelector('[data-testid=stImage] img')?.naturalWidth == 64", timeout=PATIENCE_MS
        )
        for player, seconds in (("audio", 8), ("video", 3)):
            page.wait_for_function(f"document.querySelector('{player}')?.readyState >= 1", timeout=PATIENCE_MS)
            page.evaluate(f"document.querySelector('{player}').currentTime = {seconds}")
            page.wait_for_function(
                f"(p => !p.seeking && Math.abs(p.currentTime - {seconds}) < 0.5)(document.querySelector('{player}'))",
                timeout=PATIENCE_MS,
            )
        assert 206 in statuses and max(statuses) < 400
        page.close()


def test_a_person_signs_in_sees_their_own_and_signs_out(browser: Any, home: Path, tmp_path: Path) -> None:
    conversation = tell(home_of("anna", home))
    file = tmp_path / "passwords"
    file.write_text(f"{password_line('anna', PASSWORD)}\n{password_line('ben', PASSWORD)}\n")
    with serving(home, command=STREAMLIT, STUDIO_PASSWORD_FILE=str(file)) as address:
        for name, sees in (("anna", True), ("ben", False)):
            page = browser.new_context().new_page()
            page.goto(f"{address}/?c={conversation}", timeout=PATIENCE_MS)
            page.get_by_label("Your name").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_test_id("stChatInputTextArea").wait_for(timeout=PATIENCE_MS)
            if sees:
                page.wait_for_function(
                    "document.querySelector('[data-testid=stImage] img')?.naturalWidth == 64", timeout=PATIENCE_MS
                )
                page.get_by_role("link", name="Sign out").click()
                page.get_by_label("Your name").wait_for(timeout=PATIENCE_MS)
            else:
                page.get_by_text("not known here").wait_for(timeout=PATIENCE_MS)
                assert page.get_by_test_id("stImage").count() == 0
            page.close()


def sign_in(browser: Any, address: str, email: str) -> Any:
    """Go from the studio's page to the provider's and back; return the page."""
    page = browser.new_context(locale="en").new_page()
    page.goto(address, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Sign in").click(timeout=PATIENCE_MS)
    page.get_by_label("Address").fill(email, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{address}/**", timeout=PATIENCE_MS)
    return page


def test_who_a_provider_vouches_for_sees_their_own_alone(browser: Any, home: Path, tmp_path: Path) -> None:
    pytest.importorskip("authlib", reason="a provider needs Authlib: pip install 'multimodal-studio[oidc]'")
    from openid_provider import CLIENT, SECRET, providing

    conversation = tell(home_of("anna@example.org", home))
    port = free_port()
    with providing(free_port(), f"http://127.0.0.1:{port}/oauth2callback") as provider:
        secrets = tmp_path / "secrets.toml"
        secrets.write_text(SECRETS.format(port=port, client=CLIENT, secret=SECRET, issuer=provider.issuer))
        command = (*STREAMLIT, "--secrets.files", str(secrets))
        with serving(home, command=command, port=port) as address:
            anna = sign_in(browser, address, "Anna@example.org")
            anna.get_by_role("button", name="all of it").click(timeout=PATIENCE_MS)
            anna.wait_for_function(
                "document.querySelector('[data-testid=stImage] img')?.naturalWidth == 64", timeout=PATIENCE_MS
            )
            picture = anna.locator("[data-testid=stImage] img").first.get_attribute("src")
            assert picture is not None and "?for=" in picture

            ben = sign_in(browser, address, "ben@example.org")
            ben.get_by_test_id("stChatInputTextArea").wait_for(timeout=PATIENCE_MS)
            assert ben.get_by_role("button", name="all of it").count() == 0
            assert ben.request.get(picture.partition("?")[0]).status == 401
            ben.goto(f"{address}/?c={conversation}", timeout=PATIENCE_MS)
            ben.get_by_text("not known here").wait_for(timeout=PATIENCE_MS)

            stranger = sign_in(browser, address, "eve@example.com")
            stranger.get_by_text("not invited").wait_for(timeout=PATIENCE_MS)
            assert stranger.get_by_test_id("stChatInputTextArea").count() == 0

            anna.get_by_role("button", name="Sign out").click()
            anna.get_by_role("button", name="Sign in").wait_for(timeout=PATIENCE_MS)

            provider.is_forging = True
            forged = sign_in(browser, address, "anna@example.org")
            forged.get_by_role("button", name="Sign in").wait_for(timeout=PATIENCE_MS)
            assert forged.get_by_test_id("stChatInputTextArea").count() == 0
            for page in (anna, ben, stranger, forged):
                page.context.close()
