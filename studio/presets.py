"""The presets as a person sees them: a table, a page, and the name by which one is kept."""

import os
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from studio.errors import StudioError

DEFAULT_PRESET = "tiny"
PRESET_VARIABLE = "STUDIO_PRESET"
HONEST_LABEL = (
    "A tiny model in a tiny world: it knows sixteen simple things, six colours and four places, "
    "and says so when something lies outside."
)


def page_preset() -> str:
    """Return the preset that the page talks with."""
    return os.environ.get(PRESET_VARIABLE) or DEFAULT_PRESET


def preset_name(name: str) -> str:
    """Return what names this preset from anywhere: a folder becomes its full path, other names stay."""
    from pipelines.presets import PRESETS

    folder = Path(name).expanduser()
    return str(folder.resolve()) if name not in PRESETS and folder.is_dir() else name


def preset_table() -> RenderableType:
    """Return a line for every preset."""
    from pipelines.presets import PRESETS

    table = Table("Name", "What it is", "Licence", box=None, header_style="bold", pad_edge=False)
    for preset in PRESETS.values():
        table.add_row(preset.name, preset.summary, preset.licence)
    return table


def preset_page(name: str) -> RenderableType:
    """Return all that is said about a preset, its model card included."""
    from pipelines.presets import PRESETS

    preset = PRESETS.get(name)
    if preset is None:
        raise StudioError(f"There is no preset {name!r}. There is: {', '.join(PRESETS)}.")
    facts = Text.assemble(
        (preset.title, "bold"),
        f"\n{preset.summary}\nLicence: {preset.licence}\nFrom: {preset.folder or preset.repository}\n",
    )
    card = preset.folder / "README.md" if preset.folder else None
    if card is None or not card.is_file():
        return facts
    return Group(facts, Markdown(_without_front_matter(card.read_text(encoding="utf-8"))))


def _without_front_matter(card: str) -> str:
    """Leave out the block between --- lines with which a model card begins."""
    _, marker, rest = card.partition("---\n") if card.startswith("---\n") else ("", "", card)
    return rest.partition("\n---\n")[2] if marker else rest
