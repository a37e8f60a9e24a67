"""The model in memory: loaded when it is first needed, one at a time, with what a recipe says about it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.recipe import Environment, current_environment

if TYPE_CHECKING:
    from pipelines.any_to_any import AnyToAnyPipeline


@dataclass(frozen=True)
class Model:
    """A loaded pipeline, the preset it came from with the hash of its files, and what it runs on."""

    pipe: "AnyToAnyPipeline"
    preset: str
    preset_hash: str
    environment: Environment


def load_model(preset: str, *, device: str | None = None) -> Model:
    """Load a preset, a folder or a hub repository, on its own device if none is given; ValueError says what is missing."""
    from pipelines.any_to_any import AnyToAnyPipeline
    from pipelines.checkpoint import hash_folder
    from pipelines.presets import preset_folder

    folder = preset_folder(preset)
    pipe = AnyToAnyPipeline.from_pretrained(preset, device=device)
    return Model(pipe, preset, hash_folder(folder), current_environment(device=str(pipe.device)))


LoadModel = Callable[[str], Model]


class OneModel:
    """Keep the model that was last asked for."""

    def __init__(self, load: LoadModel = load_model) -> None:
        self._load = load
        self._model: Model | None = None

    def holds(self, preset: str) -> bool:
        return self._model is not None and self._model.preset == preset

    def get(self, preset: str) -> Model:
        """Return the model of a preset; another one is let go first."""
        if self._model is None or self._model.preset != preset:
            self._model = None
            self._model = self._load(preset)
        return self._model
