"""The creating page: a wish becomes a job, the job makes media one by one, and each can be made again."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from studio.jobs.answer import Answerer
from studio.jobs.creating import Creator
from studio.jobs.queue import JobQueue, JobState
from studio.jobs.worker import run_job
from studio.library.gallery import names_of
from studio.library.library import Library
from studio.models.in_memory import Model, OneModel
from studio.option_sets import OptionSets
from studio.store import Store

pytestmark = pytest.mark.usefixtures("started_workers")


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


def test_variations_of_what_was_made_are_a_click_away(store: Store, model: Model) -> None:
    page = open_page("create").run()
    page.button_group(key="modality").set_value("audio").run()
    page.toggle(key="sets_steps").set_value(True).run()
    page.slider(key="steps").set_value(2)
    wish(page, "a bell")
    do_work(store, model)
    page.run()
    first = page.query_params["job"]
    page.text_area(key="wish").set_value("something else").run()
    page.button(key="vary-0").click().run()
    assert not page.exception
    assert page.query_params["job"] != first
    assert "0 of 4" in html_of(page)
    lease = JobQueue(store).claim()
    assert lease is not None
    wishes = [cell for row in lease.job.payload["grid"] for cell in row]
    assert {(one["modality"], one["prompt"], one["steps"]) for one in wishes} == {("audio", "a bell", 2)}
    assert len({one["seed"] for one in wishes}) == 4
    detail = open_page("library")
    detail.query_params["item"] = Library(store).items()[0].id
    detail.run()
    assert not detail.exception
    assert detail.button(key="vary").label == "Variations"


def test_what_a_model_cannot_make_is_told(store: Store, model: Model) -> None:
    page = open_page("create").run()
    odd = replace(model, pipe=type("Pipe", (), {"decoders": {}})())
    wish(page, "a red bell")
    do_work(store, odd)
    page.run()
    assert "makes no image" in page.error[0].value.replace("\\", "")


def test_a_picture_begins_with_an_added_one_and_is_made_again_the_same(store: Store, model: Model) -> None:
    page = open_page("create").run()
    png = io.BytesIO()
    PillowImage.new("RGB", (20, 12), "red").save(png, format="PNG")
    page.file_uploader(key="beginning_file").upload("red.png", png.getvalue(), "image/png").run()
    page.slider(key="strength").set_value(0.5)
    page.toggle(key="sets_steps").set_value(True).run()
    page.slider(key="steps").set_value(4)
    wish(page, "a red bell")
    do_work(store, model)
    page.run()
    assert not page.exception
    library = Library(store)
    (job,) = [row["id"] for row in store.rows("SELECT id FROM jobs")]
    result = JobQueue(store).get(job).result
    assert result is not None
    start, made = result["start"], result["rows"][0][0]
    recipe = json.loads(store.rows("SELECT recipe FROM recipes WHERE media = ?", made)[0]["recipe"])
    assert recipe["options"] | {"seed": 0} == {"seed": 0, "steps": 4, "guidance": None, "start": start, "strength": 0.5}
    again = JobQueue(store).submit("replay", {"path": str(library.path(made)), "preset": None})
    do_work(store, model)
    done = JobQueue(store).get(again.id)
    assert done.result is not None, done.error
    assert done.result["report"]["verdict"] == "identical"
    page.button(key="vary-0").click().run()
    vary = JobQueue(store).claim()
    assert vary is not None
    assert {(one["start"], one["strength"]) for one in vary.job.payload["grid"][0]} == {(start, 0.5)}
    run_job(vary, {"create": lambda lease: lease.finish({"rows": [[made]], "start": None, "seconds": 1.0})})
    page.run()
    page.button(key="begin-0").click().run()
    assert not page.exception
    wish(page, "a blue bell")
    (lease,) = [JobQueue(store).claim()]
    assert lease is not None
    assert lease.job.payload["grid"][0][0]["start"] == made
    page.button(key="begin-afresh").click().run()
    assert not page.exception


def test_a_grid_over_how_much_may_change_needs_a_picture(store: Store) -> None:
    page = open_page("create").run()
    page.selectbox(key="across").set_value("strength").run()
    page.text_input(key="across_values").set_value("0.2, 0.8")
    wish(page, "a red bell")
    assert "Add one above" in page.error[0].value


def test_something_else_than_a_picture_to_begin_with_is_refused_with_a_word(store: Store, model: Model) -> None:
    page = open_page("create").run()
    page.file_uploader(key="beginning_file").upload("odd.png", b"<svg onload=alert(1)>", "image/png").run()
    wish(page, "a red bell")
    do_work(store, model)
    page.run()
    assert "odd.png" in page.error[0].value.replace("\\", "")


def test_two_results_are_laid_upon_each_other(store: Store, model: Model) -> None:
    page = open_page("create").run()
    page.slider(key="count").set_value(3).run()
    wish(page, "a red bell")
    do_work(store, model)
    page.run()
    page.toggle(key="compares").set_value(True).run()
    page.selectbox(key="compared_right").set_value(2).run()
    assert not page.exception
    (slider,) = page.get("bidi_component")
    told = json.loads(slider.proto.json)
    media = [item.id for item in Library(store).items()]
    assert {told["left"]["source"], told["right"]["source"]} <= {f"/studio/media/{one}" for one in media}
    assert told["left"]["source"] != told["right"]["source"]
    assert told["right"]["name"].startswith("3: ")


def test_options_are_kept_chosen_again_and_forgotten(store: Store) -> None:
    page = open_page("create").run()
    page.slider(key="count").set_value(3)
    page.toggle(key="sets_steps").set_value(True).run()
    page.slider(key="steps").set_value(7)
    page.text_input(key="set_name").set_value("quick [x]").run()
    page.button(key="keep-set").click().run()
    assert not page.exception
    page.slider(key="count").set_value(1)
    page.toggle(key="sets_steps").set_value(False).run()
    page.button_group(key="option_set").set_value("quick [x]").run()
    assert not page.exception
    assert (page.slider(key="count").value, page.slider(key="steps").value) == (3, 7)
    page.button(key="forget-set").click().run()
    assert not page.exception
    assert OptionSets(store.home).all() == {}
