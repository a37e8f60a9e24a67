"""The presets: named configurations of the whole model, and where their folders are."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.hub import hub_folder, is_repository

PACKAGED = Path(__file__).parent / "presets"


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
    if repository is None or not is_repository(repository):
        known = ", ".join(PRESETS)
        raise ValueError(
            f"No model {str(name)!r}; wanted a preset ({known}), a folder, or a hub repository (owner/name)."
        )
    return hub_folder(repository)
