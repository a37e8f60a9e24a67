"""A preset's plan as a person reads it: which files it needs, their bytes, and what each device would hold."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from studio.errors import StudioError

if TYPE_CHECKING:
    from pipelines.facts import Network, Part
    from pipelines.plan import Plan

ABOUT = "≈ "
NOT_CONFIRMED = "Not confirmed by a page of its publisher"
NOTES = (
    f"{ABOUT.strip()} marks estimates: bytes from the parameters' number and precision, or as the hub rounds them; networks "
    "marked * have sizes that no page gave. Parameters are counted on the meta device. Activations and the trained "
    "projections come on top; encoders are loaded once their projections are trained."
)


def plan_page(name: str, device: str) -> RenderableType:
    """Return the plan of a preset on a device ("auto", "cpu", "cuda"...)."""
    from pipelines.plan import make_plan
    from pipelines.presets import PRESETS

    preset = PRESETS.get(name)
    if preset is None:
        raise StudioError(f"There is no preset {name!r}. There is: {', '.join(PRESETS)}.")
    if not preset.parts:
        return Text(f"{preset.title}: all its files come with the studio, in {preset.folder}.")
    plan = make_plan(preset, preset.load.on(None if device == "auto" else device))
    return Group(*_files(plan), Text(), _memory(plan), Text(), *_devices(plan), Text(), Text(NOTES, style="dim"))


def gigabytes(count: int) -> str:
    """Write a number of bytes for a person."""
    return f"{count / 1e9:.2f} GB" if count >= 1e7 else f"{count / 1e6:.2f} MB"


def _files(plan: "Plan") -> Iterator[RenderableType]:
    yield Text(f"Files to fetch: {ABOUT}{gigabytes(plan.num_bytes)}", style="bold")
    for part in plan.preset.parts:
        where = part.repository if part.revision is None else f"{part.repository} at {part.revision[:12]}"
        yield Text.assemble((f"\n{part.title}", "bold"), f" ({part.role})\n  {where}")
        yield Text(f"  {part.licence}; commercial use: {part.commercial_use}")
        if part.note:
            yield Text(f"  {part.note}")
        if part.unconfirmed:
            yield Text(f"  {NOT_CONFIRMED}: {part.unconfirmed}.")
        if part.others:
            yield Text(f"  descriptions: {' '.join(part.others)}")
        for network in part.networks:
            yield Text(f"  {network.name}, {_size(network)}: {' '.join(network.files)}")


def _size(network: "Network") -> str:
    return f"{network.size:,} bytes" if network.is_exact else f"{ABOUT}{gigabytes(network.size)}"


def _memory(plan: "Plan") -> Table:
    table = Table("Network", "Parameters", "Precision", "Rests on", "Works on", "Memory", box=None, pad_edge=False)
    for planned in plan.networks:
        starred = "*" if planned.network.is_guessed else ""
        table.add_row(
            f"{_short(planned.part)} {planned.network.name}{starred}",
            f"{planned.num_parameters:,}",
            planned.dtype,
            planned.resting,
            planned.working,
            gigabytes(planned.memory),
        )
    return table


def _devices(plan: "Plan") -> Iterator[RenderableType]:
    from pipelines.plan import POSITIONS

    yield Text("Memory held", style="bold")
    for device, count in plan.memory.items():
        yield Text(f"  {device}: {gigabytes(count)}")
    if plan.cache_bytes:
        cache = gigabytes(plan.cache_bytes)
        yield Text(
            f"  of which {cache} are the keys and values of {POSITIONS:,} positions of conversation", style="dim"
        )


def _short(part: "Part") -> str:
    return part.repository.rpartition("/")[2]
