"""The web server around the pages: Streamlit's own application, with our routes, and a worker that lives as long as it does."""

import asyncio
import logging
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

from studio.home import home_of, homes_of_people, studio_home
from studio.jobs.queue import JobQueue
from studio.jobs.worker import ensure_worker, stop_workers, worker_names
from studio.media_store import MediaStore
from studio.models.presets import page_preset
from studio.server.access import Guesses, refuse_open_door
from studio.server.doorkeeper import sessions
from studio.server.gate import PERSON, Gate, gate_routes
from studio.server.media_route import media_routes
from studio.store import Store

LOOK_SECONDS = 2.0
# The pages are imported before Streamlit runs, so that a first visit is quick; that need not be told in the terminal.
logging.getLogger("streamlit.runtime.caching.cache_data_api").addFilter(lambda record: "No runtime" not in record.msg)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Have a worker from the server's start to its end; work that waits finds one even while no page is open.

    Raises StudioError where everybody on the network could come in unasked.
    """
    refuse_open_door(config.get_option("server.address") or "", sessions().access)
    home, preset = studio_home(), page_preset()
    await asyncio.to_thread(_cancel_orphans, home)
    await asyncio.to_thread(ensure_worker, home, preset=preset)
    watching = asyncio.create_task(_replace_worker(home, preset), name="the worker's watch")
    try:
        yield {}
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await asyncio.to_thread(stop_workers, home)


def routes() -> list[Route]:
    """Return what the server answers besides Streamlit's own addresses."""
    return [*gate_routes(sessions, Guesses()), *media_routes(_media_of)]


def middleware() -> list[Middleware]:
    """Return what every request passes first."""
    return [Middleware(_only_allowed_hosts), Middleware(Gate, sessions=sessions)]


def _only_allowed_hosts(app: ASGIApp) -> TrustedHostMiddleware:
    """Hold every request to the hosts of the configuration, where Streamlit holds its socket alone: a name that some site gave
    to this machine's address (DNS rebinding) then reaches nothing.
    """
    return TrustedHostMiddleware(
        app, allowed_hosts=config.get_option("server.allowedHosts") or ["*"], www_redirect=False
    )


def _media_of(request: Request) -> MediaStore:
    return MediaStore(_store(home_of(request.scope[PERSON], studio_home())))


@cache
def _store(home: Path) -> Store:
    return Store(home)


async def _replace_worker(home: Path, preset: str) -> None:
    """Start another worker where there is work and none; one that had nothing to do may rest until a page wakes it."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(_has_work, home):
            await asyncio.to_thread(ensure_worker, home, preset=preset)


def _has_work(home: Path) -> bool:
    return any(queue.has_work() for queue in _queues(home))


def _cancel_orphans(home: Path) -> None:
    """End what was meant for workers that an earlier server had, and this one has not."""
    for queue in _queues(home):
        queue.cancel_orphans(worker_names())


def _queues(home: Path) -> list[JobQueue]:
    return [JobQueue(_store(one)) for one in (home, *homes_of_people(home))]
