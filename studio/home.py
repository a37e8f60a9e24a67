"""Where the studio keeps its things: one folder, named by STUDIO_HOME or beneath the person's home."""

import os
from pathlib import Path

from studio.errors import StudioError

HOME_VARIABLE = "STUDIO_HOME"
DEFAULT_HOME = "~/.multimodal-studio"


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
