"""Importing a checkpoint as a job of the worker, from the page to a model that is there to talk with."""

from collections.abc import Callable
from pathlib import Path

import nextgpt_checkpoint as published
import parts
import pytest
import torch
from streamlit.testing.v1 import AppTest
from studio_pages import html_of, open_page

from studio.errors import StudioError
from studio.home import home_of
from studio.jobs.importing import folder_of, import_checkpoint, imported_models
from studio.jobs.queue import JobQueue, JobState
from studio.jobs.worker import run_job
from studio.store import Store

pytestmark = pytest.mark.usefixtures("started_workers")

SIZES = {"image": (6, 16), "video": (120, 16), "audio": (1, 8)}  # what the decoders in tests/parts.py take


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A random checkpoint with the random core, ImageBind and sound decoder that it is of."""
    tokenizer = parts.core_tokenizer()
    core = parts.core_model(len(tokenizer))
    core.save_pretrained(tmp_path / "core")
    tokenizer.save_pretrained(tmp_path / "core")
    parts.audio_pipeline().save_pretrained(tmp_path / "audio")
    parts.imagebind_folder(tmp_path / "imagebind")
    outputs = published.projections(48, SIZES)
    torch.save(published.legacy_checkpoint(core, outputs, 24, trained=0.0), tmp_path / "pytorch_model.pt")
    return tmp_path


@pytest.fixture
def work(store: Store) -> Callable[[], None]:
    def do() -> None:
        lease = JobQueue(store).claim()
        assert lease is not None
        run_job(lease, {"import": import_checkpoint})

    return do


def ask(checkpoint: Path, name: str) -> AppTest:
    page = open_page("models").run()
    for key, value in (("files", checkpoint / "pytorch_model.pt"), ("base", checkpoint / "core"), ("name", name)):
        page.text_input(key=f"import_{key}").set_value(str(value))
    page.text_input(key="import_encoder").set_value(str(checkpoint / "imagebind"))
    page.text_input(key="import_audio").set_value(str(checkpoint / "audio"))
    for kind in ("image", "video"):
        page.text_input(key=f"import_{kind}").set_value("none")
    page.selectbox(key="import_rows").set_value("file").run()
    return page.button(key="import-start").click().run()


def test_a_checkpoint_becomes_a_model_among_the_others(
    store: Store, checkpoint: Path, work: Callable[[], None]
) -> None:
    page = ask(checkpoint, "mine")
    assert not page.exception
    assert "import" in page.query_params
    work()
    page.run()
    assert not page.exception
    assert page.success
    folder = store.home / "models" / "mine"
    assert imported_models(store.home) == {"mine": folder}
    page.button_group(key="shown_preset").set_value("mine").run()
    assert not page.exception
    assert "mine</h2>" in html_of(page)
    assert "CC-BY-NC-SA-4.0" in page.code[0].value


def test_what_does_not_fit_is_told_and_leaves_nothing(store: Store, checkpoint: Path, work: Callable[[], None]) -> None:
    (checkpoint / "pytorch_model.pt").write_bytes(b"not a checkpoint")
    page = ask(checkpoint, "mine")
    work()
    page.run()
    assert not page.exception
    assert "pytorch_model.pt" in page.error[0].value.replace("\\", "")
    assert imported_models(store.home) == {}
    page.button(key="import-again").click().run()
    assert "import" not in page.query_params


def test_an_import_is_stopped_between_two_steps_and_leaves_nothing(store: Store, checkpoint: Path) -> None:
    page = ask(checkpoint, "mine")
    assert not page.exception
    queue = JobQueue(store)
    lease = queue.claim()
    assert lease is not None
    queue.cancel(lease.job.id)
    run_job(lease, {"import": import_checkpoint})
    assert queue.get(lease.job.id).state == JobState.CANCELLED
    assert imported_models(store.home) == {}


def test_what_does_not_fit_is_told_in_the_readers_language_with_what_was_said(
    store: Store, checkpoint: Path, work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkpoint / "pytorch_model.pt").write_bytes(b"not a checkpoint")
    page = ask(checkpoint, "mine")
    work()
    monkeypatch.setattr("studio.ui.words.language", lambda: "zh-CN")
    sentence, detail = page.run().error[0].value.splitlines()
    assert sentence.startswith("无法导入")
    assert detail.startswith(":small[") and "pytorch_model.pt" in detail.replace("\\", "")


def test_where_a_studio_is_shared_only_what_it_offers_is_imported(home: Path, shared: str) -> None:
    (home / "shared" / "imagebind").mkdir(parents=True)
    (home / "shared" / "pytorch_model.pt").write_bytes(b"")
    page = open_page("models").run()
    assert "imagebind, pytorch_model.pt" in html_of(page)
    given = {"files": "pytorch_model.pt", "base": "owner/core", "encoder": "imagebind", "name": "mine"}
    for key, odd in (("files", "/etc/passwd"), ("base", "/etc"), ("encoder", "../shared/imagebind"), (None, "")):
        for field, value in {**given, **({key: odd} if key else {})}.items():
            page.text_input(key=f"import_{field}").set_value(value)
        page.run()
        page.button(key="import-start").click().run()
        assert not page.exception
        lease = JobQueue(Store(home_of(shared, home))).claim()
        if key:
            assert "not among what this studio offers" in page.error[0].value
            assert lease is None
    assert lease is not None
    assert lease.job.payload["sources"] == [str(home / "shared" / "pytorch_model.pt")]
    assert lease.job.payload["base"] == "owner/core"
    assert lease.job.payload["encoder"] == str(home / "shared" / "imagebind")


@pytest.mark.parametrize("name", ["", "Mine", "../mine", ".mine", "a" * 41])
def test_a_models_name_is_no_path(home: Path, name: str) -> None:
    with pytest.raises(StudioError, match="small letters"):
        folder_of(home, name)


def test_a_taken_name_is_told(home: Path) -> None:
    (home / "models" / "mine").mkdir(parents=True)
    with pytest.raises(StudioError, match="already"):
        folder_of(home, "mine")
