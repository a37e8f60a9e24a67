"""Which model is in memory: noted by the worker, told on the page, loaded and let go by jobs."""

import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
from studio_pages import html_of, open_page

from studio.jobs.answer import Answerer
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.models.in_memory import Model, OneModel
from studio.models.loaded import loaded_model, note_loaded
from studio.store import Store

pytestmark = pytest.mark.usefixtures("started_workers")


def do_work(store: Store, answerer: Answerer) -> None:
    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, answerer.kinds())


def test_a_model_is_loaded_and_let_go_from_the_page(store: Store, model: Model) -> None:
    held: list[weakref.ref[Model]] = []

    def load(preset: str) -> Model:
        loaded = replace(model, preset=preset)
        held.append(weakref.ref(loaded))
        return loaded

    answerer = Answerer(store, models=OneModel(load, note=note_loaded(store.home)))
    page = open_page("models").run()
    assert "No model is in memory." in html_of(page)
    page.button(key="load").click().run()
    do_work(store, answerer)
    page.run()
    assert not page.exception
    assert "In memory: tiny" in html_of(page)
    assert held[0]() is not None
    page.button(key="unload").click().run()
    do_work(store, answerer)
    page.run()
    assert not page.exception
    assert "No model is in memory." in html_of(page)
    assert held[0]() is None


def test_a_model_that_cannot_be_loaded_says_why(store: Store) -> None:
    def load(preset: str) -> Model:
        raise ValueError("The weights are missing.")

    page = open_page("models").run()
    page.button(key="load").click().run()
    do_work(store, Answerer(store, models=OneModel(load, note=note_loaded(store.home))))
    page.run()
    assert not page.exception
    assert "The weights are missing" in page.error[0].value.replace("\\", "")
    assert loaded_model(store.home) is None


def test_what_a_process_held_that_is_gone_is_held_no_more(home: Path) -> None:
    script = f"from pathlib import Path; from studio.models.loaded import note_loaded; note_loaded(Path({str(home)!r}))('tiny')"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[3])
    assert (home / "loaded-model.json").is_file()
    assert loaded_model(home) is None
    note_loaded(home)("tiny")
    found = loaded_model(home)
    assert found is not None and found.preset == "tiny"
