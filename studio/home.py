"""Where the studio keeps its things: one folder, named by STUDIO_HOME or beneath the person's home.

A studio that several people share keeps each one's things in a folder of their own inside, with a database of its own: what
is another's is not there to be found.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from studio.errors import StudioError

HOME_VARIABLE = "STUDIO_HOME"
DEFAULT_HOME = "~/.multimodal-studio"
PEOPLE, NAME = "people", "name.txt"
FOLDER_CHARACTERS = 32


def studio_home(home: str | Path | None = None) -> Path:
    """Return the studio's folder, made if it is missing, readable by its owner alone."""
    folder = Path(home or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StudioError(
            f"Cannot make the studio's folder {folder} ({error.strerror}). "
            f"Set {HOME_VARIABLE} to a folder that you can write."
        ) from error
    return folder


def home_of(person: str, home: Path) -> Path:
    """Return the folder of a person's own things, made if it is missing; "" is whom the studio belongs to."""
    if not person:
        return home
    folder = home / PEOPLE / hashlib.sha256(person.encode()).hexdigest()[:FOLDER_CHARACTERS]
    if not (folder / NAME).is_file():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / NAME).write_text(person + "\n", encoding="utf-8")
    return folder


def root_home(home: Path) -> Path:
    """Return the studio's folder that a person's folder is in, or the folder itself."""
    return home.parent.parent if home.parent.name == PEOPLE and (home / NAME).is_file() else home


def homes_of_people(home: Path) -> Iterator[Path]:
    """Yield the folders of the people who share a studio."""
    for name in sorted((home / PEOPLE).glob(f"*/{NAME}")):
        yield name.parent
