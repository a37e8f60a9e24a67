"""The gate: nothing answers a stranger, everybody sees their own things alone, and guessing is slow."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from encoders.media import Image
from studio.home import home_of
from studio.media_store import MediaStore
from studio.server.access import MAX_FAILURES, Access, Guesses, hash_password
from studio.server.gate import HEALTH, LOGIN, LOGOUT, PERSON, Gate, gate_routes
from studio.server.media_route import media_path, media_routes
from studio.server.sessions import COOKIE, Sessions
from studio.store import Store

ANNA, BEN = "anna's password", "ben's password"
HERE = "http://127.0.0.1:8501"
Open = Callable[..., TestClient]


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    return {"anna": hash_password(ANNA), "ben": hash_password(BEN)}


@pytest.fixture
def open_browser(home: Path) -> Iterator[Open]:
    """Return browsers of a small application behind the gate, each with its own cookies."""
    clients: list[TestClient] = []

    def open_one(access: Access, *, address: str = HERE, guesses: Guesses | None = None) -> TestClient:
        sessions = Sessions(b"k" * 32, access)

        async def page(request: Request) -> PlainTextResponse:
            return PlainTextResponse(f"the page of {request.scope.get(PERSON)!r}")

        async def talk(socket: WebSocket) -> None:
            await socket.accept()
            await socket.send_text("hello")
            await socket.close()

        def media_of(request: Request) -> MediaStore:
            return MediaStore(Store(home_of(request.scope[PERSON], home)))

        application = Starlette(
            routes=[
                *gate_routes(lambda: sessions, guesses or Guesses()),
                *media_routes(media_of),
                WebSocketRoute("/_stcore/stream", talk),
                Route("/{path:path}", page),
            ],
            middleware=[Middleware(Gate, sessions=lambda: sessions)],
        )
        clients.append(TestClient(application, base_url=address, follow_redirects=False))
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()


def sign_in(client: TestClient, name: str, password: str, **fields: str) -> int:
    return client.post(LOGIN, data={"name": name, "password": password, **fields}).status_code


def test_on_this_machine_nobody_is_asked_and_from_outside_everybody_is_refused(open_browser: Open) -> None:
    assert open_browser(Access()).get("/").text == "the page of ''"
    outside = open_browser(Access(), address="http://192.168.1.7:8501")
    assert outside.get("/").status_code == 401
    assert outside.get("/", headers={"Host": "127.0.0.1"}).status_code == 401


def test_a_stranger_gets_the_login_page_and_nothing_else(open_browser: Open, passwords: dict[str, str]) -> None:
    client = open_browser(Access(passwords))
    sent = client.get("/library?item=1", headers={"Accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"{LOGIN}?next=%2Flibrary%3Fitem%3D1")
    for path in ("/static/js/index.js", "/_stcore/host-config", "/media/x.png", media_path("0" * 64), "/any"):
        assert client.get(path).status_code == 401
    assert client.post("/_stcore/upload_file/1/2", content=b"x").status_code == 401
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream") as socket:
        socket.receive_text()
    assert client.get(HEALTH).status_code == 200
    page = client.get(LOGIN)
    assert page.status_code == 200 and 'name="name"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_who_gives_the_password_is_let_in_until_they_leave(open_browser: Open, passwords: dict[str, str]) -> None:
    client = open_browser(Access(passwords))
    answer = client.post(LOGIN, data={"name": "anna", "password": ANNA, "next": "/library?item=1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/library?item=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie
    assert client.get("/").text == "the page of 'anna'"
    sent = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    with client.websocket_connect("/_stcore/stream", headers=sent) as socket:
        assert socket.receive_text() == "hello"
    assert client.get(LOGOUT, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get(LOGOUT, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    assert client.get("/").status_code == 401


def test_over_https_the_cookie_stays_on_it(open_browser: Open, passwords: dict[str, str]) -> None:
    client = open_browser(Access(passwords), address="https://studio.example.org")
    answer = client.post(LOGIN, data={"name": "anna", "password": ANNA})
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("name", ["anna", "nobody", "", "../anna"])
def test_a_wrong_password_opens_nothing(open_browser: Open, passwords: dict[str, str], name: str) -> None:
    client = open_browser(Access(passwords))
    assert sign_in(client, name, BEN) == 403
    assert COOKIE not in client.cookies
    client.cookies.set(COOKIE, Sessions(b"another key" * 3, Access(passwords)).token("anna"))
    assert client.get("/").status_code == 401


def test_guessing_is_slowed_down_even_with_the_right_password(open_browser: Open, passwords: dict[str, str]) -> None:
    client = open_browser(Access(passwords), guesses=Guesses(clock=lambda: 0.0))
    assert [sign_in(client, "anna", "wrong one") for _ in range(MAX_FAILURES)] == [403] * MAX_FAILURES
    refused = client.post(LOGIN, data={"name": "anna", "password": ANNA})
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    assert client.get("/").status_code == 401


def test_one_password_without_names_asks_for_no_name_and_is_the_owners(open_browser: Open) -> None:
    client = open_browser(Access({"": hash_password(ANNA)}))
    assert 'name="name"' not in client.get(LOGIN).text
    assert sign_in(client, "", ANNA) == 303
    assert client.get("/").text == "the page of ''"


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", "/studio/logout", "/a\nb"]
)
def test_nobody_is_led_to_another_site(open_browser: Open, passwords: dict[str, str], path: str) -> None:
    answer = open_browser(Access(passwords)).post(LOGIN, data={"name": "anna", "password": ANNA, "next": path})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_another_site_can_sign_nobody_in(open_browser: Open, passwords: dict[str, str]) -> None:
    client = open_browser(Access(passwords))
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post(LOGIN, data={"name": "anna", "password": ANNA}, headers=headers).status_code == 403
    assert client.post(LOGIN, data={"name": "anna", "password": ANNA}, headers={"Origin": HERE}).status_code == 303


def test_a_form_without_end_is_not_read(open_browser: Open, passwords: dict[str, str]) -> None:
    assert sign_in(open_browser(Access(passwords)), "anna", "x" * 100_000) == 413


def test_the_media_of_another_are_not_found_by_their_id(
    open_browser: Open, passwords: dict[str, str], home: Path
) -> None:
    stored = MediaStore(Store(home_of("anna", home))).add(Image(torch.zeros(3, 8, 8)))[0]
    anna, ben = open_browser(Access(passwords)), open_browser(Access(passwords))
    assert (sign_in(anna, "anna", ANNA), sign_in(ben, "ben", BEN)) == (303, 303)
    assert anna.get(media_path(stored.id)).status_code == 200
    assert ben.get(media_path(stored.id)).status_code == 404


def test_where_a_provider_decides_media_need_the_key_of_their_page(open_browser: Open, home: Path) -> None:
    access = Access(invited=("anna@example.org",))
    stored = MediaStore(Store(home_of("anna@example.org", home))).add(Image(torch.zeros(3, 8, 8)))[0]
    client, sessions = open_browser(access), Sessions(b"k" * 32, access)
    assert client.get("/").status_code == 200, "Streamlit asks who it is"
    assert client.get(LOGIN).status_code == 404
    path = media_path(stored.id)
    assert client.get(path).status_code == 401
    assert client.get(path, params={"for": sessions.media_token("anna@example.org")}).status_code == 200
    assert client.get(path, params={"for": sessions.media_token("ben@example.org")}).status_code == 404
    assert client.get(path, params={"for": sessions.token("anna@example.org")}).status_code == 401


def test_the_login_page_speaks_chinese_and_no_file_is_read_by_a_languages_name(
    open_browser: Open, passwords: dict[str, str]
) -> None:
    client = open_browser(Access(passwords))
    assert "登录" in client.get(LOGIN, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}).text
    for language in ("../../x", "*", '"><script>'):
        text = client.get(LOGIN, headers={"Accept-Language": language}).text
        assert "Sign in" in text and "<script>" not in text
