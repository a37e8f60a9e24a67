"""The sound of a scene: that of its thing, synthesised, and varied by a few dials."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.world import animals, instruments, machines
from training.world.dials import Dials
from training.world.scene import SOUNDING_THINGS, Scene
from training.world.split import Side
from training.world.synthesis import NUM_SAMPLES, SAMPLE_RATE, Waveform, finish

__all__ = ["NUM_SAMPLES", "SAMPLE_RATE", "dial_positions", "reach_when_heard", "render_audio"]

BEYOND = 0.3  # of a dial's scale

_SOUNDS: dict[str, Callable[[Dials, np.random.Generator], Waveform]] = {
    "bell": instruments.bell,
    "drum": instruments.drum,
    "guitar": instruments.guitar,
    "trumpet": instruments.trumpet,
    "car": machines.car,
    "train": machines.train,
    "clock": machines.clock,
    "phone": machines.phone,
    "bird": animals.bird,
    "cat": animals.cat,
    "frog": animals.frog,
    "bee": animals.bee,
}


def render_audio(scene: Scene, seed: int, side: Side = "train", *, reach: float = 0.0) -> NDArray[np.float32]:
    """Render 2 s of the scene's first thing, (32000,) at 16 kHz, peak at most 0.9; the same arguments give the same samples.

    `reach`: how far beyond their ends its dials may stand, in training alone. Raises ValueError for a thing without a sound.
    """
    rng, dials = _prepare(scene, seed, side, reach)
    return finish(rng, _SOUNDS[scene.thing.name](dials, rng))


def dial_positions(scene: Scene, seed: int, side: Side = "train", *, reach: float = 0.0) -> dict[str, float]:
    """Return the position of each dial, on its scale of 0 to 1, of the sound that `render_audio` gives for the same arguments."""
    rng, dials = _prepare(scene, seed, side, reach)
    _SOUNDS[scene.thing.name](dials, rng)
    return dials.positions


def reach_when_heard(seed: int, side: Side) -> float:
    """How far beyond their ends the dials of a sound stand that is there to be heard: in training, every other sound's.

    Who has heard a bell at pitches far apart knows one at a pitch between them, too.
    """
    return BEYOND if side == "train" and seed % 2 else 0.0


def _prepare(scene: Scene, seed: int, side: Side, reach: float = 0.0) -> tuple[np.random.Generator, Dials]:
    name = scene.thing.name
    if not scene.thing.has_sound:
        raise ValueError(f"A {name} has no sound in this world; these have one: {', '.join(SOUNDING_THINGS)}.")
    rng = np.random.default_rng([seed, SOUNDING_THINGS.index(name), int(side == "held_out")])
    return rng, Dials(rng, side, reach)
