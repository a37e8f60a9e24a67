"""The work under way, in the side bar and beside what waits: pause, go on, stop all."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from studio.jobs.queue import JobQueue, JobState
from studio.store import Store


@pytest.fixture
def queue(store: Store, started_workers: list[Path]) -> JobQueue:
    return JobQueue(store)


def test_nothing_is_said_of_a_queue_that_is_empty(queue: JobQueue) -> None:
    page = open_page("chat").run()
    assert not page.exception
    assert not [button for button in page.button if str(button.key).startswith("queue-")]


def test_the_queue_is_paused_and_goes_on_from_any_page(queue: JobQueue) -> None:
    queue.submit("lab", {})
    page = open_page("chat").run()
    assert "Under way: 0, waiting: 1" in html_of(page)
    page.button(key="queue-pause").click().run()
    assert queue.is_paused
    assert "Paused" in html_of(page)
    page.button(key="queue-resume").click().run()
    assert not queue.is_paused


def test_all_is_stopped_at_once(queue: JobQueue) -> None:
    jobs = [queue.submit("lab", {}) for _ in range(3)]
    page = open_page("chat").run()
    page.button(key="queue-stop").click().run()
    assert not page.exception
    assert {queue.get(job.id).state for job in jobs} == {JobState.CANCELLED}


def test_what_waits_for_a_paused_queue_says_so_and_lets_it_go_on(queue: JobQueue, tmp_path: Path) -> None:
    job = queue.submit("lab", {})
    queue.pause()
    page = AppTest.from_string(f"from studio.ui.work import follow_job\nfollow_job({job.id!r}, 'Making')\n").run()
    assert "The queue is paused, so this waits." in html_of(page)
    page.button(key=f"resume-{job.id}").click().run()
    assert not queue.is_paused
