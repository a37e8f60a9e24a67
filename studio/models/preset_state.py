"""What is here of a preset, found without loading it: its parts' files and parameters, and the figures of its model card."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from encoders.hub import is_repository
from pipelines.facts import Part
from pipelines.plan import make_plan, recorded_parameters
from pipelines.presets import Preset

SINGLE_BYTES = 4  # of a number as packaged weights are loaded
OURS = "ours"  # what the alignment stages trained
_ROLES = {"core": "core", "imagebind": "encoder", "clip": "encoder", "clap": "encoder"}
_FIGURES = re.compile(r"<!-- figures:.*?-->(.*?)<!-- end of figures -->", re.DOTALL)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class PartState:
    """A part of a preset: what it is for, its licence, its sizes, and how many of its files are on this machine."""

    title: str
    role: str
    licence: str
    num_parameters: int
    num_bytes: int
    num_files: int
    num_here: int

    @property
    def is_here(self) -> bool:
        return self.num_here == self.num_files


@dataclass(frozen=True)
class CardFigure:
    """A line of a model card's table of figures; shares from 0 to 1."""

    title: str
    share: float
    low: float
    high: float
    wanted: str
    is_reached: bool
    samples: int


def parts_of(preset: Preset) -> list[PartState]:
    """Return every part of a preset as it is on this machine."""
    if preset.parts:
        return [_published(part) for part in preset.parts]
    return list(_packaged(preset))


def memory_of(preset: Preset) -> int:
    """Return how many bytes its parameters would take in memory, on a processor."""
    if preset.parts:
        return sum(make_plan(preset, preset.load.on("cpu"), recorded_parameters).memory.values())
    return SINGLE_BYTES * sum(part.num_parameters for part in parts_of(preset))


def figures_of(preset: Preset) -> list[CardFigure]:
    """Return the figures in a preset's model card; none where nothing was measured."""
    card = preset.folder / "README.md" if preset.folder else None
    if card is None or not card.is_file():
        return []
    found = _FIGURES.search(card.read_text(encoding="utf-8"))
    rows = [] if found is None else [line.strip("|").split("|") for line in found[1].strip().splitlines()]
    return [_figure([cell.strip() for cell in row]) for row in rows[2:] if len(row) >= 5 and "%" in row[1]]


def count_parameters(path: Path) -> int:
    """Return how many numbers a safetensors file holds, by its header alone."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _figure(cells: list[str]) -> CardFigure:
    share = float(cells[1].rstrip("%")) / 100
    low, high = (float(number) / 100 for number in _PERCENT.findall(cells[2]))
    (bar,) = (float(number) / 100 for number in _PERCENT.findall(cells[3]))
    is_reached = share < bar if cells[3].startswith("under") else share >= bar
    return CardFigure(cells[0], share, low, high, cells[3], is_reached, int(cells[4].replace(",", "")))


def _packaged(preset: Preset) -> Iterator[PartState]:
    assert preset.folder is not None, "a preset without published parts is packaged"
    for folder in sorted(path for path in preset.folder.iterdir() if path.is_dir()):
        weights = sorted(folder.rglob("*.safetensors"))
        role = OURS if folder.name == "adapter" else _ROLES.get(folder.name, "decoder")
        if weights:
            yield _files(folder.name, role, preset.licence, weights)
    yield _files("projections", OURS, preset.licence, sorted(preset.folder.glob("*.safetensors")))


def _files(title: str, role: str, licence: str, weights: list[Path]) -> PartState:
    num_parameters = sum(count_parameters(path) for path in weights)
    num_bytes = sum(path.stat().st_size for path in weights)
    return PartState(title, role, licence, num_parameters, num_bytes, len(weights), len(weights))


def _published(part: Part) -> PartState:
    here = sum(_is_in_cache(part, name) for name in part.files)
    return PartState(part.title, part.role, part.licence, part.num_parameters, part.size, len(part.files), here)


def _is_in_cache(part: Part, name: str) -> bool:
    """Tell whether a file was fetched from the hub; what is published elsewhere is kept wherever a person put it."""
    if not is_repository(part.repository):
        return False
    return isinstance(try_to_load_from_cache(part.repository, name, revision=part.revision), str)
