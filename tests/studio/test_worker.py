"""The worker as a process: one for a home, started by whoever needs it."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from studio.store import Store
from studio.worker import LOCK_NAME, LOG_NAME, ensure_worker, lock_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Note the processes that would be started."""
    noted: list[dict[str, Any]] = []

    class Process:
        def __init__(self, command: list[str], **options: Any) -> None:
            noted.append({"command": command, **options})

        def wait(self) -> int:
            return 0

        def poll(self) -> int | None:
            return None

    monkeypatch.setattr("studio.background.subprocess.Popen", Process)
    return noted


def test_a_worker_is_started_apart_from_its_starter_with_a_log(home: Path, started: list[dict[str, Any]]) -> None:
    assert ensure_worker(home, preset="tiny")
    (process,) = started
    assert process["command"][1:] == ["-m", "studio.worker", "--home", str(home), "--preset", "tiny"]
    assert process["start_new_session"]
    assert (home / LOG_NAME).exists()


def test_a_worker_that_was_just_started_is_not_started_again(home: Path, started: list[dict[str, Any]]) -> None:
    assert (ensure_worker(home), ensure_worker(home), len(started)) == (True, False, 1)


def test_every_graphics_processor_has_a_worker_of_its_own(
    home: Path, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_GPUS", "0,2")
    with FileLock(home / lock_name("0")):
        assert ensure_worker(home)
    (process,) = started
    assert process["command"][-2:] == ["--gpu", "2"]


def test_no_worker_is_started_beside_a_running_one(home: Path, started: list[dict[str, Any]]) -> None:
    with FileLock(home / LOCK_NAME):
        assert not ensure_worker(home)
    assert started == []


def test_the_worker_explains_its_options_without_loading_a_model() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "studio.worker", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "--idle-seconds" in shown.stdout


def test_many_may_open_a_new_home_at_once(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def open_store() -> None:
        try:
            Store(tmp_path).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
