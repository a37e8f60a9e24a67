"""The lab page: what a trained generator shows of itself, drawn by the worker and kept in the library."""

import json
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from pipelines.baselines.vae import VAE
from pipelines.baselines.vae_config import VAEConfig
from pipelines.baselines.vae_model import VAENetwork
from studio.gallery import names_of
from studio.jobs import JobQueue
from studio.lab_job import RECIPE_KEY, LabWork
from studio.library import Library
from studio.runs import ENDED, Runs
from studio.store import Store
from studio.worker import run_job


@pytest.fixture(autouse=True)
def started_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("frame", "work"):
        monkeypatch.setattr(f"studio.ui.{place}.ensure_worker", lambda home, *, preset: True)
    monkeypatch.setattr("studio.ui.lab.PACKAGED", Path("nowhere"))
    monkeypatch.setattr("studio.runs._launch", lambda folder: None)


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
