"""`studio bench`: how soon the pages are there, how soon a click answers, how much memory turns take; by a real browser."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from studio.conversation.history import History
from studio.creation import Wish, grid_of, to_payload
from studio.errors import StudioError
from studio.jobs.queue import JobQueue, JobState
from studio.models.loaded import loaded_models
from studio.process_memory import resident_bytes
from studio.store import Store

FIRST_PAINT_AIM, CLICK_AIM = 2000.0, 300.0  # milliseconds
SAYINGS = (
    "Draw a red bell above a blue boat",
    "Play a trumpet",
    "And now a green one",
    "Draw a yellow bird at night and let me hear it",
)
LONG_STEPS, LONG_COUNT = 100, 8  # of the job that runs while clicks are measured
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.02
TURN_POLL_SECONDS = 0.25  # a long history is read each time, which should not slow what is measured
REPORTS = 10
MEGABYTE = 1e6
BOX = "stChatInputTextArea"


@dataclass(frozen=True)
class PageBenchOptions:
    """How much to measure; 0 leaves a part out."""

    loads: int
    clicks: int
    turns: int
    preset: str


@dataclass(frozen=True)
class Bench:
    """A studio of its own that is served, with its server's process and a browser."""

    store: Store
    server: int
    address: str
    browser: Any
    preset: str

    def open(self) -> Any:
        """Open the chat as somebody who was never here; return the page once one can write."""
        page = self.browser.new_context(locale="en").new_page()
        page.goto(self.address, timeout=PATIENCE_SECONDS * 1000)
        page.get_by_test_id(BOX).wait_for(timeout=PATIENCE_SECONDS * 1000)
        return page


def run_bench(options: PageBenchOptions, home: Path) -> Iterator[str]:
    """Yield the lines of the report as they are measured, in an empty home."""
    with _served(home, options.preset) as (address, server), _chromium() as browser:
        bench = Bench(Store(home), server, address, browser, options.preset)
        if options.loads:
            yield from first_paint_bench(bench, options.loads)
        if options.clicks:
            yield from click_bench(bench, options.clicks)
        if options.turns:
            yield from memory_bench(bench, options.turns)


def first_paint_bench(bench: Bench, loads: int) -> Iterator[str]:
    """From the address to a box that one can write in, in a fresh browser each time; the first load warms the server."""
    bench.open().context.close()
    took = []
    for _ in range(loads):
        started = time.monotonic()
        page = bench.open()
        took.append((time.monotonic() - started) * 1000)
        page.context.close()
    yield _told("first paint of Chat, warm", took, FIRST_PAINT_AIM)


def click_bench(bench: Bench, clicks: int) -> Iterator[str]:
    """From a click to what the server shows for it, while the worker makes videos."""
    queue = JobQueue(bench.store)
    wishes = grid_of(
        Wish("video", "a red bell moving left", 0, LONG_STEPS, None), count=LONG_COUNT, across=None, down=None
    )
    job = queue.submit("create", to_payload(wishes, preset=bench.preset, across=None, down=None))
    page = bench.open()
    page.get_by_text("Options").first.click()
    seed = page.get_by_role("spinbutton", name="Seed")
    _wait(lambda: any(event.kind == "media_step" for event in queue.events(job.id)) or queue.get(job.id).state.is_final)
    took = []
    for number in range(clicks):
        started = time.monotonic()
        page.get_by_text("Use my own seed").click()
        seed.wait_for(state="hidden" if number % 2 else "visible", timeout=PATIENCE_SECONDS * 1000)
        took.append((time.monotonic() - started) * 1000)
    state = queue.cancel(job.id).state
    page.context.close()
    if state != JobState.RUNNING:
        raise StudioError(
            f"The job that clicks are measured beside was {state}: {queue.get(job.id).error or 'too soon'}."
        )
    _wait(lambda: queue.get(job.id).state.is_final)
    yield _told("a click while a job runs", took, CLICK_AIM)


def memory_bench(bench: Bench, turns: int) -> Iterator[str]:
    """What the server and the worker hold while one conversation goes on and on."""
    page = bench.open()
    held: list[tuple[float, float]] = []
    every, since = max(turns // REPORTS, 1), time.monotonic()
    for turn in range(1, turns + 1):
        box = page.get_by_test_id(BOX)
        box.fill(SAYINGS[turn % len(SAYINGS)])
        box.press("Enter")
        _wait(partial(_has_answered, bench.store, turn), every=TURN_POLL_SECONDS)
        page.wait_for_function(
            f"!document.querySelector('[data-testid={BOX}]')?.disabled", timeout=PATIENCE_SECONDS * 1000
        )
        held.append((_megabytes(bench.server), _megabytes(_worker(bench.store.home))))
        if turn % every == 0:
            each, since = (time.monotonic() - since) / every, time.monotonic()
            told = f"server {held[-1][0]:,.0f} MB, worker {held[-1][1]:,.0f} MB"
            yield f"after {turn:>4} turns: {told}, {each:.1f} s a turn"
    page.context.close()
    half = held[len(held) // 2]
    grown = [last - before for last, before in zip(held[-1], half, strict=True)]
    yield f"over the second half: server {grown[0]:+,.0f} MB, worker {grown[1]:+,.0f} MB (aim: nothing)"


def _told(what: str, took: list[float], aim: float) -> str:
    return f"{what}: median {median(took):,.0f} ms, slowest {max(took):,.0f} ms of {len(took)} (aim: {aim:,.0f} ms)"


def _has_answered(store: Store, turns: int) -> bool:
    return _answered(store) >= turns


def _answered(store: Store) -> int:
    """Count the replies of the newest conversation. Raises StudioError if its last request failed."""
    history = History(store)
    recent = history.recent(limit=1)
    messages = history.messages(recent[0].id) if recent else []
    if messages:
        job = JobQueue(store).get(messages[-1].job)
        if job.state == JobState.FAILED:
            raise StudioError(f"A turn failed: {job.error}")
    return sum(message.role == "assistant" for message in messages)


def _worker(home: Path) -> int:
    models = loaded_models(home)
    if not models:
        raise StudioError("No worker holds a model; its log in the studio's folder says why.")
    return models[0].process


def _megabytes(process: int) -> float:
    held = resident_bytes(process)
    if held is None:
        raise StudioError("This system does not tell how much memory a process holds.")
    return held / MEGABYTE


@contextmanager
def _served(home: Path, preset: str) -> Iterator[tuple[str, int]]:
    """Serve a home; yield its address, and the server's process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["serve", "--port", str(port), "--home", str(home), "--preset", preset]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", "from studio.cli import app; app()", *serve], stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: server.poll() is not None or _answers(address))
        if server.poll() is not None:
            raise StudioError(f"The server did not start: {(home / 'server.log').read_text()[-500:]}")
        yield address, server.pid
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def _chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise StudioError("A browser is driven by Playwright: pip install 'multimodal-studio[browser]'.") from error
    path = shutil.which("chromium")
    if path is None:
        raise StudioError("Chromium is needed on the PATH (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _wait(condition: Callable[[], bool], *, every: float = POLL_SECONDS) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise StudioError(f"Nothing came for {PATIENCE_SECONDS:.0f} s.")
        time.sleep(every)
