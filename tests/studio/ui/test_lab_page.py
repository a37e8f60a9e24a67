"""The lab page: what a trained generator shows of itself, drawn by the worker and kept in the library."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as PillowImage
from streamlit.testing.v1 import AppTest
from studio_pages import LATIN, chart_words, html_of, open_page

from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from studio.jobs.lab import RECIPE_KEY, LabWork
from studio.jobs.queue import JobQueue
from studio.jobs.worker import run_job
from studio.library.gallery import names_of
from studio.library.library import Library
from studio.models.runs import ENDED, Runs
from studio.store import Store
from training.baselines.pictures import WORLD_GROUPS, WORLD_LABELS


@pytest.fixture(autouse=True)
def _nothing_trained(started_workers: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.ui.lab.PACKAGED", Path("nowhere"))
    monkeypatch.setattr("studio.models.runs._launch", lambda folder: None)


@pytest.fixture
def trained(home: Path) -> str:
    """A finished training of a tiny VAE."""
    run = Runs(home).start("vae", {"steps": "1"})
    torch.manual_seed(0)
    network = VAENetwork(VAEConfig((8, 8), z_dim=4, num_classes=3, labels=("bell", "boat", "bird")))
    network.latent_kl.copy_(torch.tensor([0.1, 3.0, 0.0, 2.0]))
    VAE(network).save_pretrained(run.folder)
    (run.folder / ENDED).write_text(json.dumps({"code": 0, "time": 0.0}))
    return str(run.folder)


def draw(page: AppTest, store: Store) -> AppTest:
    page.button(key="draw").click().run()
    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, LabWork(store).kinds())
    return page.run()


def test_without_a_generator_the_page_says_how_to_get_one() -> None:
    page = open_page("lab").run()
    assert not page.exception
    assert "No generator here yet" in html_of(page)


@pytest.mark.usefixtures("trained")
def test_before_anything_is_drawn_the_page_says_what_to_do() -> None:
    page = open_page("lab").run()
    assert not page.exception
    assert "press Draw" in html_of(page)


def test_a_trained_generator_is_drawn_and_its_sheet_is_kept_with_how(trained: str, store: Store) -> None:
    page = open_page("lab").run()
    assert not page.exception
    page.text_input(key="label").set_value("bell").run()
    draw(page, store)
    assert not page.exception
    assert len(page.get("image")) == 1
    from encoders.files import read_metadata

    library = Library(store)
    (item,) = library.items()
    facts = json.loads(read_metadata(library.path(item.id))[RECIPE_KEY])
    assert facts["label"] == ["bell"]
    assert facts["model"] == trained
    assert names_of(library, [item.id])[item.id].startswith("samples")
    page.selectbox(key="experiment").set_value("traversal").run()
    draw(page, store)
    assert not page.exception
    assert len(page.get("image")) == 1


def test_a_class_that_a_generator_does_not_know_is_told(trained: str, store: Store) -> None:
    page = open_page("lab").run()
    page.text_input(key="label").set_value("zebra").run()
    draw(page, store)
    assert "knows no class" in page.error[0].value.replace("\\", "")


def png(colour: str) -> bytes:
    written = io.BytesIO()
    PillowImage.new("RGB", (12, 8), colour).save(written, format="PNG")
    return written.getvalue()


def test_one_picture_is_changed_into_another(trained: str, store: Store) -> None:
    page = open_page("lab").run()
    page.selectbox(key="experiment").set_value("morph").run()
    assert not page.exception
    assert page.button(key="draw").disabled
    page.file_uploader(key="morph_first").upload("red.png", png("red"), "image/png")
    page.file_uploader(key="morph_second").upload("blue.png", png("blue"), "image/png").run()
    assert not page.button(key="draw").disabled
    draw(page, store)
    assert not page.exception
    assert not page.error
    assert len(page.get("image")) == 1


def test_a_file_that_is_no_picture_is_named_when_it_is_to_be_changed(trained: str, store: Store) -> None:
    page = open_page("lab").run()
    page.selectbox(key="experiment").set_value("morph").run()
    page.file_uploader(key="morph_first").upload("odd.png", b"<svg>", "image/png")
    page.file_uploader(key="morph_second").upload("blue.png", png("blue"), "image/png").run()
    draw(page, store)
    assert not page.exception
    assert "odd.png" in page.error[0].value.replace("\\", "")


def test_figures_are_measured_by_the_terminals_own_command_and_shown(
    trained: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page("lab").run()
    page.button_group(key="generator").set_value("figures").run()
    assert not page.exception
    assert "Nothing measured yet" in html_of(page)
    page.button(key="measure").click().run()
    waiting = JobQueue(store).claim()
    assert waiting is not None
    assert waiting.job.payload == {"models": [trained], "preset": "tiny", "samples": 100}
    waiting.stop()
    # The same with less to draw, of one that knows the whole world, and no diffusion beside it.
    labels: dict[str, Any] = {"num_classes": len(WORLD_LABELS), "class_groups": WORLD_GROUPS, "labels": WORLD_LABELS}
    knowing = VAE(VAENetwork(VAEConfig((8, 8), z_dim=4, **labels))).save_pretrained(store.home / "knowing")
    job = JobQueue(store).submit("figures", {"models": [str(knowing)], "preset": "none", "samples": 10})
    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, LabWork(store).kinds())
    done = JobQueue(store).get(job.id)
    assert done.result is not None, done.error
    page.query_params["figures"] = job.id
    page.run()
    assert not page.exception
    shown = html_of(page)
    assert "Real pictures" in shown
    assert "Fréchet distance" in shown
    assert len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart")) == 2
    assert "Family" in chart_words(page)
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    page.run()
    assert not LATIN.findall(" ".join(chart_words(page)))
    assert "真实图片" in html_of(page)


def test_a_measurement_that_cannot_begin_says_why(store: Store) -> None:
    job = JobQueue(store).submit("figures", {"models": ["nowhere"], "preset": "none", "samples": 10})
    lease = JobQueue(store).claim()
    assert lease is not None
    run_job(lease, LabWork(store).kinds())
    assert "nowhere" in (JobQueue(store).get(job.id).error or "")
