"""Sets of options that a person keeps under a name of their own, to choose them again; a file of the studio's folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from encoders.atomic import atomic
from studio.errors import StudioError

FILE = "option-sets.json"
MAX_SETS = 50
MAX_NAME = 40


class OptionSets:
    """The kept sets of one studio."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = FileLock(home / f"{FILE}.lock")

    def all(self) -> dict[str, dict[str, Any]]:
        """Return every set by its name, in the order of their names; none where the file cannot be read."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return {name: found[name] for name in sorted(found)}

    def keep(self, name: str, options: Mapping[str, Any]) -> None:
        """Keep options under a name, in place of what it held. Raises StudioError for a name that is none."""
        name = " ".join(name.split())
        if not 0 < len(name) <= MAX_NAME:
            raise StudioError(f"A name has 1 to {MAX_NAME} characters; this one has {len(name)}.")
        with self._lock:
            sets = self.all() | {name: dict(options)}
            if len(sets) > MAX_SETS:
                raise StudioError(f"There are {MAX_SETS} sets of options already. Forget one first.")
            self._write(sets)

    def forget(self, name: str) -> None:
        """Forget a set; one that is not there is no mistake."""
        with self._lock:
            self._write({kept: options for kept, options in self.all().items() if kept != name})

    def _write(self, sets: Mapping[str, Mapping[str, Any]]) -> None:
        with atomic(self._path) as written:
            written.write_text(json.dumps(sets, ensure_ascii=False, indent=1), encoding="utf-8")
