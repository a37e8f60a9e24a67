"""A studio of its own for every test, and a small random model that makes media."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.models.in_memory import Model, OneModel
from studio.server.access import Access, hash_password
from studio.server.sessions import Sessions
from studio.store import Store

OUTGOING = 12.0  # times the usual size of the signal tokens' rows: a random core then asks for media often


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The studio's folder, which every way to reach it leads to."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = Store(home)
    yield store
    store.close()


@pytest.fixture
def started_workers(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note where a page would start a worker instead of starting one."""
    started: list[Path] = []

    def note(home: Path, *, preset: str) -> bool:
        started.append(home)
        return True

    for place in ("frame", "memory", "work"):
        monkeypatch.setattr(f"studio.ui.{place}.ensure_worker", note)
    return started


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the pages be those of Anna, whom a password let in; return her name."""
    known = Sessions(b"k" * 32, Access({"anna": hash_password("a long password")}))
    monkeypatch.setattr("studio.ui.person.sessions", lambda: known)
    monkeypatch.setattr("studio.ui.frame.person", lambda: "anna")
    return "anna"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium from the PATH, for the tests of one file."""
    from screenshots import chromium

    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running studio with a home of its own, for the tests of one file."""
    from serving import serving

    with serving(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model's folder."""
    from parts import save_model

    from pipelines.any_to_any import AnyToAnyPipeline

    folder = save_model(tmp_path_factory.mktemp("model"))
    pipe = AnyToAnyPipeline.from_pretrained(folder)
    pipe.core.output_rows.data *= OUTGOING
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Model:
    """The random model, loaded once."""
    from studio.models.in_memory import load_model

    return load_model(str(model_folder))


@pytest.fixture
def models(model: Model) -> OneModel:
    """Models as the worker and the facade keep them, without loading again."""
    return OneModel(lambda preset: model)
