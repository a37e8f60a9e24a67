"""The presets as a person sees them: a table, a page, and the name by which one is kept."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from studio.errors import StudioError
from studio.models.preset_plan import ABOUT, NOT_CONFIRMED, gigabytes

if TYPE_CHECKING:
    from pipelines.facts import Part

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
    """Return a line for every preset: what it is, its licence, what it takes to fetch and to hold."""
    from pipelines.plan import make_plan, recorded_parameters
    from pipelines.presets import PRESETS

    columns = ("Name", "What it is", "Licence", "Commercial use", "Download", "Memory")
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for preset in PRESETS.values():
        if preset.parts:
            held = sum(make_plan(preset, preset.load.on("cpu"), recorded_parameters).memory.values())
            download = f"{ABOUT}{gigabytes(preset.num_bytes or 0)}"
        else:
            # Packaged weights are in half precision, and loaded in single.
            held = 2 * sum(path.stat().st_size for path in (preset.folder or Path()).rglob("*.safetensors"))
            download = "none"
        answers = (preset.commercial_use, download, f"{ABOUT}{gigabytes(held)}")
        table.add_row(preset.name, f"{preset.summary} ({preset.state})", preset.licence, *answers)
    return table


def preset_page(name: str) -> RenderableType:
    """Return all that is said about a preset, its model card included."""
    from pipelines.presets import PRESETS

    preset = PRESETS.get(name)
    if preset is None:
        raise StudioError(f"There is no preset {name!r}. There is: {', '.join(PRESETS)}.")
    facts = Text.assemble(
        (preset.title, "bold"),
        f"\n{preset.summary}\nLicence: {preset.licence}\nCommercial use: {preset.commercial_use}\n",
        *(_part_line(part) for part in preset.parts),
        f"From: {preset.folder or preset.repository}\n" if preset.folder or preset.repository else "",
        f"{preset.to_do}\n" if preset.to_do else "",
        f"Files and memory: studio presets show {preset.name} --plan\n" if preset.parts else "",
    )
    card = preset.folder / "README.md" if preset.folder else None
    if card is None or not card.is_file():
        return facts
    return Group(facts, Markdown(_without_front_matter(card.read_text(encoding="utf-8"))))


def _part_line(part: "Part") -> str:
    doubt = f"  {NOT_CONFIRMED}: {part.unconfirmed}.\n" if part.unconfirmed else ""
    return f"{part.role}: {part.title} ({part.repository}), {part.licence}\n{doubt}"


def _without_front_matter(card: str) -> str:
    """Leave out the block between --- lines with which a model card begins."""
    _, marker, rest = card.partition("---\n") if card.startswith("---\n") else ("", "", card)
    return rest.partition("\n---\n")[2] if marker else rest
