"""A studio of its own for every test, and a small random model that makes media."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.models.in_memory import Model, OneModel
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
