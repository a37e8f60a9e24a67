"""Which model is in memory: noted by the worker, told on the page, loaded and let go by jobs."""

import json
import os
import subprocess
import sys
import weakref
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from studio_pages import html_of, open_page

from studio.jobs.answer import Answerer
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.models.in_memory import Model, OneModel
from studio.models.loaded import LoadedModel, loaded_models, note_loaded
from studio.store import Store

pytestmark = pytest.mark.usefixtures("started_workers")


def do_work(store: Store, answerer: Answerer, *, worker: str = "") -> None:
    lease = JobQueue(store, worker=worker).claim()
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
    assert loaded_models(store.home) == []


def test_what_a_process_held_that_is_gone_is_held_no_more(home: Path) -> None:
    script = f"from pathlib import Path; from studio.models.loaded import note_loaded; note_loaded(Path({str(home)!r}))('tiny')"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).resolve().parents[3])
    assert (home / "loaded-model.json").is_file()
    assert loaded_models(home) == []
    note_loaded(home)("tiny")
    assert [one.preset for one in loaded_models(home)] == ["tiny"]


def test_a_process_that_ended_or_has_the_number_of_another_holds_nothing(home: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # ended, and not asked for yet
    for worker, process in (("0", ended.pid), ("1", os.getpid())):
        noted = LoadedModel("tiny", process, None, worker, started="1")
        (home / f"loaded-model-{worker}.json").write_text(json.dumps(asdict(noted)), encoding="utf-8")
    assert loaded_models(home) == []
    ended.wait()


def test_each_worker_has_a_record_of_its_own_and_the_page_lists_them(home: Path) -> None:
    first, second = note_loaded(home, worker="0"), note_loaded(home, worker="10")
    second("tiny")
    first("image-1.5b")
    assert [(one.worker, one.preset) for one in loaded_models(home)] == [("0", "image-1.5b"), ("10", "tiny")]
    page = open_page("models").run()
    assert not page.exception
    assert "Graphics processor 0 · In memory: image-1.5b" in html_of(page)
    assert "Graphics processor 10 · In memory: tiny" in html_of(page)
    assert page.button(key="unload")
    assert page.button(key="load"), "this server's own worker does not hold it"
    second(None)
    page.run()
    assert "Graphics processor 10" not in html_of(page)
    assert page.button(key="load")


def workers_of(store: Store, model: Model, names: tuple[str, ...]) -> dict[str, Answerer]:
    """Return what the workers of these names would do their work with, each with a memory of its own."""

    def load(preset: str) -> Model:
        return replace(model, preset=preset)

    return {name: Answerer(store, models=OneModel(load, note=note_loaded(store.home, worker=name))) for name in names}


def test_every_worker_loads_and_lets_go_and_the_page_shows_what_each_then_holds(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_GPUS", "0,1")
    workers = workers_of(store, model, ("0", "1"))
    page = open_page("models").run()
    page.button(key="load").click().run()
    assert "Graphics processor 0" in html_of(page) and "Graphics processor 1" in html_of(page)
    do_work(store, workers["1"], worker="1")
    assert JobQueue(store, worker="1").claim() is None, "the other's order is not its own"
    page.run()
    assert "In memory" not in html_of(page), "one is still under way"
    do_work(store, workers["0"], worker="0")
    page.run()
    assert not page.exception
    for name in workers:
        assert f"Graphics processor {name} · In memory: tiny" in html_of(page)
    assert [button.key for button in page.button if button.key in ("load", "unload")] == ["unload"]
    page.button(key="unload").click().run()
    for name, worker in workers.items():
        do_work(store, worker, worker=name)
    page.run()
    assert not page.exception
    assert "No model is in memory." in html_of(page)
    assert loaded_models(store.home) == []


def test_only_who_holds_a_model_is_asked_to_let_it_go_and_lets_go_of_no_other(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_GPUS", "0,1")
    workers = workers_of(store, model, ("0", "1"))
    for name, preset in (("0", "image-1.5b"), ("1", "tiny")):
        workers[name].prepare(preset)
    page = open_page("models").run()
    page.button(key="unload").click().run()
    assert JobQueue(store, worker="0").claim() is None
    workers["1"].prepare("image-1.5b")  # somebody asked for something else meanwhile
    do_work(store, workers["1"], worker="1")
    page.run()
    assert not page.exception
    assert [(one.worker, one.preset) for one in loaded_models(store.home)] == [("0", "image-1.5b"), ("1", "image-1.5b")]


def test_a_worker_that_could_not_load_is_named_and_the_others_did(
    store: Store, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_GPUS", "0,1")

    def load(preset: str) -> Model:
        raise ValueError("The weights are missing.")

    broken = Answerer(store, models=OneModel(load, note=note_loaded(store.home, worker="1")))
    page = open_page("models").run()
    page.button(key="load").click().run()
    do_work(store, workers_of(store, model, ("0",))["0"], worker="0")
    do_work(store, broken, worker="1")
    page.run()
    assert not page.exception
    assert "The weights are missing" in page.error[0].value.replace("\\", "")
    assert "Graphics processor 0 · In memory: tiny" in html_of(page)
    assert page.button(key="load") and page.button(key="unload")


def test_what_waits_for_a_worker_that_there_is_no_more_is_ended(store: Store) -> None:
    queue = JobQueue(store)
    gone, ours, anybodys = (queue.submit("unload", {"preset": "tiny"}, worker=name) for name in ("3", "", None))
    queue.cancel_orphans(("",))
    assert [queue.get(job.id).state for job in (gone, ours, anybodys)] == ["cancelled", "queued", "queued"]


def test_a_model_that_goes_leaves_no_conversation_of_anybody_open(store: Store, model: Model, tmp_path: Path) -> None:
    held: list[weakref.ref[Model]] = []

    def load(preset: str) -> Model:
        loaded = replace(model, preset=preset)
        held.append(weakref.ref(loaded))
        return loaded

    models = OneModel(load)
    others: list[object] = [models.get("tiny")]
    models.when_let_go(others.clear)  # as a person's open conversations hold the model
    models.get("image-1.5b")
    assert held[0]() is None and held[1]() is not None
