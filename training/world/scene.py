"""A scene: the small frozen value from which a caption, an image, a sound and a video are made."""

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

# The vocabulary of the world. The order is part of the held-out split (see split.py): append, never reorder.
SOUNDING_THINGS = (
    "bell", "drum", "guitar", "trumpet", "car", "train", "clock", "phone", "bird", "cat", "frog", "bee",
)  # fmt: skip
SILENT_THINGS = ("tree", "house", "star", "boat")
THINGS = SOUNDING_THINGS + SILENT_THINGS
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
BACKGROUNDS = ("sky", "meadow", "beach", "night")
SIZES = ("big", "small")


class Relation(StrEnum):
    """Where the first thing is, seen from the second."""

    LEFT_OF = "left of"
    RIGHT_OF = "right of"
    ABOVE = "above"
    BELOW = "below"


class Motion(StrEnum):
    """What the one thing of a video does."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    GROW = "grow"
    SHRINK = "shrink"
    SPIN = "spin"
    BOUNCE = "bounce"


@dataclass(frozen=True)
class Thing:
    """A thing with its colour; `size` is None where the size does not matter (pairs and videos)."""

    name: str
    colour: str
    size: str | None = None

    def __post_init__(self) -> None:
        _check("thing", self.name, THINGS)
        _check("colour", self.colour, COLOURS)
        if self.size is not None:
            _check("size", self.size, SIZES)

    @property
    def has_sound(self) -> bool:
        return self.name in SOUNDING_THINGS


@dataclass(frozen=True)
class Scene:
    """One thing, or two with a relation (things[0] `relation` things[1]), on a background; a motion makes it a video."""

    things: tuple[Thing, ...]
    background: str
    relation: Relation | None = None
    motion: Motion | None = None

    def __post_init__(self) -> None:
        _check("background", self.background, BACKGROUNDS)
        if len(self.things) not in (1, 2):
            raise ValueError(f"A scene shows 1 or 2 things, got {len(self.things)}.")
        if (len(self.things) == 2) != (self.relation is not None):
            raise ValueError("A scene of two things has a relation, a scene of one has none.")
        if len(self.things) == 2 and self.motion is not None:
            raise ValueError("A video shows one thing.")
        if len(self.things) == 2 and self.things[0].name == self.things[1].name:
            raise ValueError(f"A pair shows two different things, got twice {self.things[0].name!r}.")

    @property
    def thing(self) -> Thing:
        """The first (often only) thing."""
        return self.things[0]


Kind = Literal["one", "two", "video", "audio"]


def draw_scene(rng: random.Random, kind: Kind) -> Scene:
    """Draw any scene of a kind, evenly; `split.draw` keeps to one side of the held-out split."""
    names = SOUNDING_THINGS if kind == "audio" else THINGS
    first = Thing(rng.choice(names), rng.choice(COLOURS))
    background = rng.choice(BACKGROUNDS)
    if kind == "two":
        other = Thing(rng.choice([name for name in THINGS if name != first.name]), rng.choice(COLOURS))
        return Scene((first, other), background, relation=rng.choice(list(Relation)))
    if kind == "video":
        return Scene((first,), background, motion=rng.choice(list(Motion)))
    return Scene((replace(first, size=rng.choice(SIZES)),), background)


def _check(what: str, name: str, allowed: tuple[str, ...]) -> None:
    if name not in allowed:
        raise ValueError(f"No {what} {name!r} in this world; it knows: {', '.join(allowed)}.")
