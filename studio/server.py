"""The web server around the pages: Streamlit's own application, with our routes, and a worker that lives as long as it does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from studio.home import studio_home
from studio.jobs import JobQueue
from studio.presets import page_preset
from studio.store import Store
from studio.worker import ensure_worker, stop_worker

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
        await asyncio.to_thread(stop_worker, home)
        store.close()


async def _replace_worker(queue: JobQueue, preset: str) -> None:
    """Start another worker where there is work and none; one that had nothing to do may rest until a page wakes it."""
    home: Path = queue.store.home
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await asyncio.to_thread(queue.has_work):
            await asyncio.to_thread(ensure_worker, home, preset=preset)
