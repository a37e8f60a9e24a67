"""The web server around the pages: Streamlit's own application, with our routes, and a worker that lives as long as it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp
from streamlit import config

from studio.home import studio_home
from studio.jobs import JobQueue
from studio.media_route import media_routes
from studio.media_store import MediaStore
from studio.presets import page_preset
from studio.store import Store
from studio.worker import ensure_worker, stop_workers

LOOK_SECONDS = 2.0


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Have a worker from the server's start to its end; work that waits finds one even while no page is open."""
    home, preset = studio_home(), page_preset()
    store = await asyncio.to_thread(Store, home)
    await asyncio.to_thread(ensure_worker, home, preset=preset)
    watching = asyncio.create_task(_replace_worker(JobQueue(store), preset), name="the worker's watch")
    try:
        yield {}
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await asyncio.to_thread(stop_workers, home)
        store.close()


def routes() -> list[Route]:
    """Return what the server answers besides Streamlit's own addresses."""
    return media_routes(_media_of)


def middleware() -> list[Middleware]:
    """Return what every request passes first."""
    return [Middleware(_only_allowed_hosts)]


def _only_allowed_hosts(app: ASGIApp) -> TrustedHostMiddleware:
    """Hold every request to the hosts of the configuration, where Streamlit holds its socket alone: a name that some site gave
    to this machine's address (DNS rebinding) then reaches nothing.
    """
    return TrustedHostMiddleware(
        app, allowed_hosts=config.get_option("server.allowedHosts") or ["*"], www_redirect=False
    )


def _media_of(request: Request) -> MediaStore:
    return _media(studio_home())


@cache
def _media(home: Path) -> MediaStore:
    return MediaStore(Store(home))


async def _replace_worker(queue: JobQueue, preset: str) -> None:
    """Start another worker where there is work and none; one that had nothing to do may rest until a page wakes it."""
    home: Path = queue.store.home
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(queue.has_work):
            await asyncio.to_thread(ensure_worker, home, preset=preset)
