"""Fixtures for the pipelines: golden folders, and a whole random model that loads in half a second."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import parts
import pytest
import torch
from huggingface_hub import constants
from torch import Tensor

from encoders.modality import Modality
from pipelines.any_to_any import AnyToAnyPipeline
from pipelines.prompt import stop_ids
from pipelines.text import encode_text

os.environ["HF_HUB_OFFLINE"] = "1"
constants.HF_HUB_OFFLINE = True  # for this process, which has read its environment by now

Script = Callable[[Sequence[int]], None]


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of recorded outputs of the original systems."""
    return Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole random model on disk; nobody writes to it."""
    return parts.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def pipe(model_folder: Path) -> AnyToAnyPipeline:
    """The random model; nobody changes it."""
    return AnyToAnyPipeline.from_pretrained(model_folder)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Prescribe what the core samples from now on; an id that it may not sample fails the test."""
    ids: list[int] = []

    def sample(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator) -> int:
        chosen = ids.pop(0)
        assert logits[chosen] > -torch.inf, f"id {chosen} may not be sampled"
        return chosen

    monkeypatch.setattr("pipelines.sampling.sample", sample)
    yield ids.extend
    assert not ids, "the core was not asked for all that was prescribed"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pass over what diffusers' schedulers do with NumPy 2 (`np.array(tensor, copy=False)`)."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"))


@pytest.fixture
def ids(pipe: AnyToAnyPipeline) -> Callable[..., list[int]]:
    """Spell what the core is to sample: texts, modalities (their first signal token), and the end of the turn."""

    def spell(*pieces: str | Modality) -> list[int]:
        tokens: list[int] = []
        for piece in pieces:
            is_modality = isinstance(piece, Modality)
            tokens += [pipe.core.signals.run(piece)[0]] if is_modality else encode_text(pipe.core.tokenizer, piece)
        return [*tokens, min(stop_ids(pipe.core.tokenizer))]

    return spell
