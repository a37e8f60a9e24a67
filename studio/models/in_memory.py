"""The model in memory: loaded when it is first needed, one at a time, with what a recipe says about it."""

import gc
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
    from pipelines.presets import preset_folder

    folder = preset_folder(preset)  # first of all, since a name that leads nowhere should be told at once

    from pipelines.any_to_any import AnyToAnyPipeline
    from pipelines.checkpoint import hash_folder

    pipe = AnyToAnyPipeline.from_pretrained(preset, device=device)
    return Model(pipe, preset, hash_folder(folder), current_environment(device=str(pipe.device)))


LoadModel = Callable[[str], Model]


class OneModel:
    """Keep the model that was last asked for; `note` is told its preset, or None, whenever that changes."""

    def __init__(
        self, load: LoadModel = load_model, *, note: Callable[[str | None], None] = lambda preset: None
    ) -> None:
        self._load = load
        self._note = note
        self._model: Model | None = None
        self._followers: list[Callable[[], None]] = []

    def when_let_go(self, do: Callable[[], None]) -> None:
        """Have whoever keeps something of the model let go of it with the model: one that is still held stays in memory."""
        self._followers.append(do)

    def holds(self, preset: str) -> bool:
        return self._model is not None and self._model.preset == preset

    def get(self, preset: str) -> Model:
        """Return the model of a preset; another one is let go first."""
        if self._model is None or self._model.preset != preset:
            self.let_go()
            self._model = self._load(preset)
            self._note(preset)
        return self._model

    def let_go(self) -> None:
        """Forget the model, and have those who follow it do the same; its memory is free once nobody else holds it."""
        for do in self._followers:
            do()
        if self._model is not None:
            self._model = None
            gc.collect()
        self._note(None)
