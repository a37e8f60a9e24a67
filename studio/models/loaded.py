"""Which model the worker holds, noted in the studio's folder so that pages can tell it and free its memory."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from encoders.atomic import atomic
from studio.process_memory import resident_bytes

FILE = "loaded-model.json"


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory: its preset, the process that holds it, and what that process holds in all, where it is known."""

    preset: str
    process: int
    num_bytes: int | None


def note_loaded(home: Path) -> Callable[[str | None], None]:
    """Return what is told the preset of the model that this process holds by now, or None, and notes it."""

    def note(preset: str | None) -> None:
        path = home / FILE
        if preset is None:
            path.unlink(missing_ok=True)
            return
        with atomic(path) as written:
            written.write_text(json.dumps(asdict(LoadedModel(preset, os.getpid(), resident_bytes()))), encoding="utf-8")

    return note


def loaded_model(home: Path) -> LoadedModel | None:
    """Return the model that a worker holds; None where none does, or its process is gone."""
    try:
        found = LoadedModel(**json.loads((home / FILE).read_text(encoding="utf-8")))
        os.kill(found.process, 0)
    except (FileNotFoundError, json.JSONDecodeError, ProcessLookupError):
        return None
    return found
