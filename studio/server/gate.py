"""The gate of a served studio: who is asked for a password gives it here, and nothing behind it answers anybody else."""

from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.server.access import Access, Guesses, is_loopback
from studio.server.media_route import PREFIX as MEDIA
from studio.server.sessions import COOKIE, KEEP_SECONDS, Sessions
from studio.ui.login import login_page

LOGIN, LOGOUT = "/studio/login", "/studio/logout"
HEALTH = "/_stcore/health"
PERSON = "studio.person"  # where the gate notes in a request who asks
MEDIA_TOKEN = "for"
MAX_FORM_BYTES = 8192
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

SessionsOf = Callable[[], Sessions]


class Gate:
    """Let through whoever is known, with a note of who it is; send others to the login page, or away."""

    def __init__(self, app: ASGIApp, *, sessions: SessionsOf) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        sessions, asked = self._sessions(), HTTPConnection(scope)
        person = None if sessions.access.is_open and _is_reached_from_outside(scope) else _who(sessions, asked)
        if person is not None:
            scope[PERSON] = person
        if person is not None or asked.url.path in (LOGIN, HEALTH) or _provider_decides(sessions.access, asked):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "Sign in first."})
        else:
            await _turned_away(asked)(scope, receive, send)


def gate_routes(sessions: SessionsOf, guesses: Guesses) -> list[Route]:
    """Return the login page, and the way out."""
    return [
        Route(LOGIN, partial(_log_in, sessions=sessions, guesses=guesses), methods=["GET", "POST"]),
        Route(LOGOUT, _log_out),
    ]


def _is_reached_from_outside(scope: Scope) -> bool:
    """Tell whether this came to an address that other machines reach, however the server was started."""
    host, port = scope.get("server") or ("", None)
    return port is not None and not is_loopback(host)


def _who(sessions: Sessions, asked: HTTPConnection) -> str | None:
    access = sessions.access
    if access.is_open:
        return ""
    if access.passwords:
        return sessions.person(asked.cookies.get(COOKIE, ""))
    return sessions.media_person(asked.query_params.get(MEDIA_TOKEN, ""))


def _provider_decides(access: Access, asked: HTTPConnection) -> bool:
    """Tell whether Streamlit itself, with a provider, asks who comes; only media are ours to guard then."""
    return bool(access.invited) and not asked.url.path.startswith(MEDIA)


def _turned_away(asked: HTTPConnection) -> Response:
    wants_page = "text/html" in asked.headers.get("accept", "") and asked.scope["method"] == "GET"
    if not wants_page or asked.url.path.startswith(MEDIA):
        return PlainTextResponse("Sign in first.", status_code=401, headers=PAGE_HEADERS)
    back = asked.url.path + (f"?{asked.url.query}" if asked.url.query else "")
    return RedirectResponse(f"{LOGIN}?{urlencode({'next': back})}", status_code=303, headers=PAGE_HEADERS)


async def _log_in(request: Request, *, sessions: SessionsOf, guesses: Guesses) -> Response:
    known = sessions()
    if not known.access.passwords:
        return PlainTextResponse("Not found.", status_code=404)
    show = partial(
        login_page, language=request.headers.get("accept-language", ""), asks_name=known.access.has_names, action=LOGIN
    )
    back = _own_path(request.query_params.get("next", "/"))
    if request.method == "GET":
        return HTMLResponse(show(back=back), headers=PAGE_HEADERS)
    if not _is_own_site(request):
        return PlainTextResponse("Sign in on the studio's own page.", status_code=403, headers=PAGE_HEADERS)
    form = await _form(request)
    if form is None:
        return PlainTextResponse("Too much.", status_code=413, headers=PAGE_HEADERS)
    back = _own_path(form.get("next", "/"))
    address = request.client.host if request.client else ""
    wait = guesses.wait_seconds(address)
    if wait > 0:
        headers = PAGE_HEADERS | {"Retry-After": str(int(wait) + 1)}
        return HTMLResponse(show(back=back, error="slow"), status_code=429, headers=headers)
    guesses.note(address)
    name = form.get("name", "").strip()
    if not await run_in_threadpool(known.access.knows, name, form.get("password", "")):
        return HTMLResponse(show(back=back, error="wrong"), status_code=403, headers=PAGE_HEADERS)
    guesses.forgive(address)
    answer = RedirectResponse(quote(back, safe="/?&=%+~-._"), status_code=303, headers=PAGE_HEADERS)
    answer.set_cookie(
        COOKIE,
        known.token(name),
        max_age=KEEP_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


async def _log_out(request: Request) -> Response:
    """Forget who this browser is for, if its own page asks."""
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return PlainTextResponse("Sign out on the studio's own page.", status_code=403, headers=PAGE_HEADERS)
    answer = RedirectResponse("/", status_code=303, headers=PAGE_HEADERS)
    answer.delete_cookie(COOKIE)
    return answer


def _own_path(path: str) -> str:
    """Return an address of this site to go on with: never one that a browser would take for another's."""
    split = urlsplit(path.replace("\\", "/"))
    is_own = path.startswith("/") and not path.startswith("//") and not split.netloc and path.isprintable()
    return path if is_own and "\\" not in path and not path.startswith("/studio/") else "/"


def _is_own_site(request: Request) -> bool:
    """Tell whether a form was sent from a page of this site (browsers say where it was)."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc == request.headers.get("host", "")


async def _form(request: Request) -> dict[str, str] | None:
    """Read a small form; None if it is not small."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return None
    fields = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}
