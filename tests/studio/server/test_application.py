"""The web server: it comes with a worker and goes with it, however it is started."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock, Timeout
from serving import STREAMLIT, serving

from encoders.media import Image
from studio.jobs.queue import JobQueue, JobState, Leaving
from studio.jobs.worker import LOCK_NAME, LOG_NAME, _started, run_job, stop_workers
from studio.media_store import MediaStore
from studio.server.application import lifespan
from studio.server.media_route import media_path
from studio.store import Store

PATIENCE_SECONDS = 300


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has no model to load is there sooner, and can do what needs none."""
    monkeypatch.setenv("STUDIO_PRESET", "none")


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_worked_in(home: Path) -> bool:
    try:
        with FileLock(home / LOCK_NAME).acquire(blocking=False):
            return False
    except Timeout:
        return True


@pytest.mark.parametrize("starter", [None, STREAMLIT])
def test_a_server_comes_with_a_worker_and_takes_it_along(home: Path, starter: tuple[str, ...] | None) -> None:
    with serving(home, command=starter):
        wait_for(lambda: is_worked_in(home))
    assert not is_worked_in(home)
    # What SQLAlchemy's registry meets while an interpreter ends is ignored there, and here.
    written = (home / LOG_NAME).read_text() + (home / "server.log").read_text()
    assert "Traceback" not in re.sub(r"Exception ignored in: .*\nTraceback", "", written)


def test_a_job_whose_worker_is_killed_is_taken_up_by_the_next_without_a_page(home: Path, tmp_path: Path) -> None:
    """The data of the check is a pipe that nobody writes to: the job runs until it is cancelled."""
    held = tmp_path / "held"
    held.mkdir()
    pipe = held / "manifest.jsonl"
    os.mkfifo(pipe)
    queue = JobQueue(Store(home))
    job = queue.submit("check", {"stage": "align-inputs", "data": str(pipe)})

    async def serve() -> None:
        async with lifespan(None):
            await asyncio.to_thread(wait_for, lambda: queue.get(job.id).state == JobState.RUNNING)
            os.kill(_started[home, ""].pid, signal.SIGKILL)
            await asyncio.to_thread(wait_for, lambda: queue.get(job.id).attempts == 2)
            queue.cancel(job.id)
            await asyncio.to_thread(wait_for, lambda: queue.get(job.id).state == JobState.CANCELLED)

    try:
        asyncio.run(serve())
        assert not is_worked_in(home)
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # lets the killed worker's own child come to its end


def test_a_job_that_a_leaving_worker_gives_back_counts_as_not_begun(home: Path) -> None:
    told: list[bool] = []
    queue = JobQueue(Store(home), is_leaving=lambda: bool(told))
    job = queue.submit("count", {})

    def count(lease: Any) -> None:
        lease.check()
        lease.show_preview(0, b"half")
        told.append(True)
        with pytest.raises(Leaving):
            lease.check()
        lease.check()

    lease = queue.claim()
    assert lease is not None
    run_job(lease, {"count": count})
    assert (queue.get(job.id).state, queue.get(job.id).attempts) == (JobState.QUEUED, 0)
    assert queue.preview(job.id, 0) is None


def test_a_worker_leaves_at_the_next_step_and_by_force_where_there_is_none(home: Path) -> None:
    stubborn = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _started[home, ""] = process
    stop_workers(home, grace_seconds=0.1)
    assert process.returncode == -signal.SIGKILL
    assert (home, "") not in _started


def test_media_come_in_ranges_and_never_compressed_and_only_to_names_of_this_machine(home: Path) -> None:
    """Through the whole application: what Streamlit puts around every answer must not spoil a player's."""
    media = MediaStore(Store(home))
    stored, _ = media.add(Image(torch.zeros(3, 64, 64)))
    whole = media.path(stored.id).read_bytes()
    sent = {"Accept-Encoding": "gzip", "Range": "bytes=0-3"}
    with serving(
        home, command=(sys.executable, "-m", "uvicorn", "app:app", "--port", "PORT", "--lifespan", "on")
    ) as address:
        answer = fetch(address + media_path(stored.id), **sent)
        assert (answer.status, answer.read()) == (206, whole[:4])
        assert "content-encoding" not in answer.headers
        for path in (media_path(stored.id), "/", "/_stcore/health"):
            assert fetch(address + path, Host="evil.example").status == 400


def fetch(url: str, **headers: str) -> Any:
    """Return the answer, whatever its status."""
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30)
    except urllib.error.HTTPError as error:
        return error


def test_the_application_is_imported_without_a_word() -> None:
    said = subprocess.run([sys.executable, "-c", "import app"], capture_output=True, text=True, check=True)
    assert said.stdout + said.stderr == ""
