"""What presets, and the figures of their model cards, say of themselves, in the reader's language."""

import re

from pipelines.presets import Preset
from studio.models.preset_state import CardFigure
from studio.ui.words import N_, _

NAME = "{name}"  # stands in a catalogue where a preset's own name is told
BARS = {"at least": N_("at least {share}"), "under": N_("under {share}")}
_BAR = re.compile(r"(at least|under) (\S+)")


def to_do_message(preset: Preset) -> str:
    """Return what is still to be done for a preset as the catalogues have it, without the preset's name."""
    return preset.to_do.replace(preset.name, NAME)


def to_do_of(preset: Preset) -> str:
    """Return what is still to be done for a preset, "" where nothing is."""
    return _(to_do_message(preset)).format(name=preset.name) if preset.to_do else ""


def wanted_of(figure: CardFigure) -> str:
    """Return what a figure should reach."""
    bar = _BAR.fullmatch(figure.wanted)
    return figure.wanted if bar is None else _(BARS[bar[1]]).format(share=bar[2])
