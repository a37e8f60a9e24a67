"""The presets: named configurations of the whole model, and where their folders are."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

PACKAGED = Path(__file__).parent / "presets"
# Weights and their descriptions, and nothing that could run.
DOWNLOADED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.md", "*.jinja")


@dataclass(frozen=True)
class Preset:
    """A named model: its packaged folder or its repository, and what a person should know before choosing it."""

    name: str
    title: str
    summary: str
    licence: str
    folder: Path | None = None
    repository: str | None = None


PRESETS = {
    "tiny": Preset(
        name="tiny",
        title="Tiny",
        summary="A complete small model of a drawn world, trained by this project; answers on two processor cores.",
        licence="Apache-2.0",
        folder=PACKAGED / "tiny",
    ),
}


def preset_folder(name: str | Path) -> Path:
    """Find a model's folder by preset, by path, or by hub repository (`owner/name`), which is downloaded once.

    Raises ValueError that says what was looked for.
    """
    preset = PRESETS.get(str(name))
    if preset is not None and preset.folder is not None:
        if not (preset.folder / "config.json").is_file():
            raise ValueError(f"The preset {preset.name!r} is not complete: {preset.folder / 'config.json'} is missing.")
        return preset.folder
    repository = preset.repository if preset is not None else str(name)
    if preset is None and Path(name).is_dir():
        return Path(name)
    if repository is None or repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        known = ", ".join(PRESETS)
        raise ValueError(
            f"No model {str(name)!r}; wanted a preset ({known}), a folder, or a hub repository (owner/name)."
        )
    return hub_folder(repository)


def hub_folder(repository: str, revision: str | None = None) -> Path:
    """Return the local copy of a hub repository's weights, downloading what is missing."""
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(DOWNLOADED)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"The repository {repository!r} is neither on this machine nor can it be fetched; "
            "connect to the network once, or give the folder of a copy."
        ) from error
