"""The creating page: a wish becomes a job, the job makes media one by one, and each can be made again."""

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from studio.answer import Answerer
from studio.creating import Creator
from studio.gallery import names_of
from studio.jobs import JobQueue, JobState
from studio.library import Library
from studio.models import Model, OneModel
from studio.store import Store
from studio.worker import run_job


@pytest.fixture(autouse=True)
def started_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("frame", "work"):
        monkeypatch.setattr(f"studio.ui.{place}.ensure_worker", lambda home, *, preset: True)


def do_work(store: Store, model: Model) -> None:
    """Do the worker's part of the oldest job."""
    models = OneModel(lambda preset: replace(model, preset=preset))
    answerer = Answerer(store, models=models)
    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, Creator(store, models=models, replay_reply=answerer.replay).kinds())


def wish(page: AppTest, text: str) -> AppTest:
    page.text_area(key="wish").set_value(text)
    return page.button(key="create").click().run()


def test_an_empty_page_says_what_to_do_and_an_empty_wish_too() -> None:
    page = open_page("create").run()
    assert "Nothing made yet" in html_of(page)
    wish(page, " ")
    assert "Write what is to be made" in page.error[0].value
    assert "job" not in page.query_params


def test_a_grid_is_queued_with_its_options_and_can_be_stopped(store: Store) -> None:
    page = open_page("create").run()
    page.selectbox(key="across").set_value("words").run()
    page.text_input(key="across_values").set_value("red, blue")
    page.selectbox(key="down").set_value("steps").run()
    page.text_input(key="down_values").set_value("2, 3, 4")
    wish(page, "a red bell")
    assert not page.exception
    assert "0 of 6" in html_of(page)
    lease = JobQueue(store).claim()
    assert lease is not None
    assert [[cell["steps"] for cell in row] for row in lease.job.payload["grid"]] == [[2, 2], [3, 3], [4, 4]]
    assert lease.job.payload["preset"] == "tiny"
    page.button(key=f"stop-{lease.job.id}").click().run()
    run_job(lease, {"create": lambda lease: None})
    page.run()
    assert JobQueue(store).get(lease.job.id).state == JobState.CANCELLED
    assert "Stopped." in html_of(page)


def test_a_wish_is_made_kept_in_the_library_and_made_again_the_same(store: Store, model: Model, tmp_path: Path) -> None:
    page = open_page("create").run()
    page.slider(key="count").set_value(2)
    page.toggle(key="holds_seed").set_value(True)
    page.toggle(key="sets_steps").set_value(True).run()
    page.slider(key="steps").set_value(2)
    page.number_input(key="seed").set_value(5)
    wish(page, "a red bell")
    do_work(store, model)
    page.run()
    assert not page.exception
    assert len(page.get("image")) == 2
    assert [page.button(key=f"see-{number}").label for number in (0, 1)] == ["seed 5", "seed 6"]
    library = Library(store)
    made = library.items()
    assert len(made) == 2
    job = JobQueue(store).submit("replay", {"path": str(library.path(made[0].id)), "preset": None})
    do_work(store, model)
    done = JobQueue(store).get(job.id)
    assert done.result is not None, done.error
    assert done.result["report"]["verdict"] == "identical"
    assert names_of(library, []) == {}


def test_what_a_model_cannot_make_is_told(store: Store, model: Model) -> None:
    page = open_page("create").run()
    odd = replace(model, pipe=type("Pipe", (), {"decoders": {}})())
    wish(page, "a red bell")
    do_work(store, odd)
    page.run()
    assert "makes no image" in page.error[0].value.replace("\\", "")
