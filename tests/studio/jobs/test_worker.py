"""The worker as a process: one for a home, started by whoever needs it."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from studio.home import home_of
from studio.jobs.queue import JobQueue, Lease
from studio.jobs.worker import LOCK_NAME, LOG_NAME, Desk, JobKind, ensure_worker, lock_name, work
from studio.store import Store

ROOT = Path(__file__).resolve().parents[3]


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
    assert process["command"][1:] == ["-m", "studio.jobs.worker", "--home", str(home), "--preset", "tiny"]
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
        [sys.executable, "-m", "studio.jobs.worker", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
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


def test_people_who_share_a_worker_take_turns_and_keep_to_themselves(home: Path) -> None:
    desks: dict[str, Store] = {name: Store(home_of(name, home)) for name in ("", "anna", "ben")}
    done: list[str] = []

    def count(name: str) -> JobKind:
        def run(lease: Lease) -> None:
            done.append(name)
            lease.finish({"by": name})

        return run

    for name in ("anna", "anna", "anna", "ben", ""):
        JobQueue(desks[name]).submit("count", {})
    work(
        desks[""],
        {"count": count("")},
        idle_seconds=0.1,
        others=lambda: [Desk(desks[name], {"count": count(name)}) for name in ("anna", "ben")],
    )
    assert sorted(done[:3]) == ["", "anna", "ben"] and done[3:] == ["anna", "anna"]


def test_the_worker_of_one_of_several_people_is_everybodys(home: Path, started: list[dict[str, Any]]) -> None:
    assert ensure_worker(home_of("anna", home))
    (process,) = started
    assert str(home) in process["command"]
    with FileLock(home / LOCK_NAME):
        assert not ensure_worker(home_of("ben", home))
