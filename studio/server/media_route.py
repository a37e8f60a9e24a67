"""Media over HTTP, straight from the content-addressed store: by id alone, in ranges, cached by what they are."""

import re
import unicodedata
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from studio.errors import StudioError
from studio.media_store import MediaStore

# Streamlit keeps /media/ for its own files in memory.
PREFIX = "/studio/media"
TYPES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
}
# A file stays what its type says, runs nothing, and is shown by no other site.
SAFE_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
CACHED = "private, max-age=3600"
MAX_NAME = 80

MediaOf = Callable[[Request], MediaStore]


def media_routes(media_of: MediaOf) -> list[Route]:
    """Return the route of media; `media_of` gives the store of whoever asks, and what is not in it does not exist."""

    async def send(request: Request) -> Response:
        return await run_in_threadpool(_answer, request, media_of)

    return [Route(PREFIX + "/{media_id}", send)]


def media_path(media_id: str) -> str:
    """Return where a browser finds a medium."""
    return f"{PREFIX}/{media_id}"


def safe_name(name: str, *, suffix: str) -> str:
    """Return a file name without anything that a shell, a folder or a header could take for more, ending in `suffix`."""
    name = unicodedata.normalize("NFC", name).removesuffix(suffix)
    name = re.sub(r"[^\w .()-]+", "_", name).strip(" ._")[:MAX_NAME].rstrip(" .")
    return (name or "file") + suffix


def _answer(request: Request, media_of: MediaOf) -> Response:
    media = media_of(request)
    try:
        stored = media.get(request.path_params["media_id"])
        path = media.path(stored.id)
    except StudioError:
        return PlainTextResponse("Not found.", status_code=404, headers=dict(SAFE_HEADERS))
    suffix = path.suffix.lower()
    headers = {**SAFE_HEADERS, "ETag": f'"{stored.id}"', "Cache-Control": CACHED, "Vary": "Cookie"}
    if _has_it(request, stored.id):
        return Response(status_code=304, headers=headers)
    wanted = request.query_params.get("name")
    return FileResponse(
        path,
        headers=headers,
        media_type=TYPES.get(suffix, "application/octet-stream"),
        stat_result=path.stat(),
        filename=None if wanted is None and suffix in TYPES else safe_name(wanted or stored.id[:8], suffix=suffix),
    )


def _has_it(request: Request, media_id: str) -> bool:
    """Tell whether the browser has the file already (If-None-Match)."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or media_id in re.findall(r'(?:W/)?"([^"]*)"', known)
