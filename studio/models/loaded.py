"""Which model each worker holds, noted in the studio's folder so that pages can tell it and free its memory."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from encoders.atomic import atomic
from studio.process_memory import resident_bytes

FILE = "loaded-model{}.json"
# Of /proc/PID/stat, after the name in brackets: proc(5) counts from 1, and the name is the second.
STATE, START = 3 - 3, 22 - 3
ENDED = "Z"  # its parent has not asked yet how it ended


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory: its preset, the worker and the process that hold it, and what that process holds in all, where known.

    `started` tells the process from a later one of the same number.
    """

    preset: str
    process: int
    num_bytes: int | None
    worker: str = ""
    started: str | None = None


def note_loaded(home: Path, *, worker: str = "") -> Callable[[str | None], None]:
    """Return what is told the preset of the model that this process holds by now, or None, and notes it for a worker."""
    path = home / FILE.format(f"-{worker}" if worker else "")

    def note(preset: str | None) -> None:
        if preset is None:
            path.unlink(missing_ok=True)
            return
        process = os.getpid()
        loaded = LoadedModel(preset, process, resident_bytes(), worker, _start_of(process))
        with atomic(path) as written:
            written.write_text(json.dumps(asdict(loaded)), encoding="utf-8")

    return note


def loaded_models(home: Path) -> list[LoadedModel]:
    """Return the models that workers hold, in the order of the workers' names; none of a worker whose process is gone."""
    found = (_read(path) for path in home.glob(FILE.format("*")))
    return sorted((one for one in found if one is not None), key=lambda one: (len(one.worker), one.worker))


def _read(path: Path) -> LoadedModel | None:
    try:
        found = LoadedModel(**json.loads(path.read_text(encoding="utf-8")))
        os.kill(found.process, 0)
    except (FileNotFoundError, json.JSONDecodeError, ProcessLookupError, PermissionError):
        return None
    if found.started != _start_of(found.process):
        return None
    return replace(found, num_bytes=resident_bytes(found.process))


def _start_of(process: int) -> str | None:
    """Return when a process started, in the system's own count; None where it has ended, or the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[STATE] == ENDED else fields[START]
