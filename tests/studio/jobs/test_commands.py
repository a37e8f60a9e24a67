"""`studio queue` at the terminal."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from studio.cli import app
from studio.jobs.queue import JobQueue, JobState
from studio.store import Store


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("studio.jobs.worker.ensure_worker", lambda home: True)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["queue", *words])
        assert done.exit_code == 0
        return done.stdout

    return run


def test_the_queue_is_paused_looked_at_resumed_and_emptied(say: Callable[..., str], store: Store) -> None:
    queue = JobQueue(store)
    job = queue.submit("create", {})
    assert "waiting: 1." in say("show")
    assert "studio queue resume" in say("pause")
    assert "paused" in say("show")
    assert "paused" not in say("resume")
    assert "1" in say("stop")
    assert queue.get(job.id).state == JobState.CANCELLED
    assert "Nothing" in say("stop")
