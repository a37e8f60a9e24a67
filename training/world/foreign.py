"""Media from outside the world, to teach and test that the model says when it does not know what it sees or hears.

Neither side of the split shares a generator with the other: what is seen in evaluation is of a kind never trained on.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.world import foreign_pictures, foreign_sounds
from training.world.foreign_pictures import Pixels
from training.world.scene import BACKGROUNDS, COLOURS, SOUNDING_THINGS, Scene, Thing
from training.world.sounds import render_audio
from training.world.split import Side
from training.world.synthesis import DURATION, Waveform, finish, swell

VIDEO_FRAMES = 8


def _disguised(rng: np.random.Generator) -> Waveform:
    """Give one thing's sound another's rhythm, both of the train side: nearer to the world than any other kind."""
    names = rng.choice(SOUNDING_THINGS, 2, replace=False)
    scenes = [Scene((Thing(str(name), COLOURS[0]),), BACKGROUNDS[0]) for name in names]
    sound, rhythm = (render_audio(scene, int(rng.integers(2**31))).astype(np.float64) for scene in scenes)
    return foreign_sounds.disguise(rng, sound, rhythm)


_PICTURES: dict[Side, Sequence[Callable[[np.random.Generator, int], Pixels]]] = {
    "train": (
        foreign_pictures.landscape,
        foreign_pictures.leaves,
        foreign_pictures.portrait,
        foreign_pictures.clouds,
        foreign_pictures.page,
        foreign_pictures.checkerboard,
        foreign_pictures.scraps,
        foreign_pictures.scribble,
        foreign_pictures.weave,
    ),
    "held_out": (
        foreign_pictures.marble,
        foreign_pictures.mosaic,
        foreign_pictures.street,
        foreign_pictures.lights,
        foreign_pictures.static,
    ),
}
_SOUNDS: dict[Side, Sequence[Callable[[np.random.Generator], Waveform]]] = {
    "train": (
        foreign_sounds.noise,
        foreign_sounds.speech,
        foreign_sounds.sweep,
        foreign_sounds.hum,
        foreign_sounds.organ,
        foreign_sounds.bursts,
        foreign_sounds.melody,
        foreign_sounds.shaker,
        foreign_sounds.applause,
        foreign_sounds.singing,
        *[_disguised] * 5,  # the kind next to the world: a third of all
    ),
    "held_out": (
        foreign_sounds.rain,
        foreign_sounds.whisper,
        foreign_sounds.dialling,
        foreign_sounds.morse,
        foreign_sounds.surf,
    ),
}


def render_foreign_image(seed: int, size: int = 64, *, side: Side = "train") -> NDArray[np.uint8]:
    """Render a picture of nothing in the world, with the statistics of a photograph or a page, (size, size, 3)."""
    rng = _generator(seed, side, 0)
    return _develop(rng, _picture(rng, side)(rng, size))


def render_foreign_video(seed: int, size: int = 64, *, side: Side = "train") -> NDArray[np.uint8]:
    """Render what a camera films outside the world, (8, size, size, 3): it pans and zooms, or, held out, turns and fades."""
    rng = _generator(seed, side, 1)
    canvas = _develop(rng, _picture(rng, side)(rng, size * 3 // 2)) / 255
    progress = np.linspace(-1, 1, VIDEO_FRAMES)
    if side == "train":
        path = progress[:, None] * rng.uniform(-0.14, 0.14, 2) + rng.normal(0, 0.004, (VIDEO_FRAMES, 2))
        zooms = 1 + progress * rng.uniform(-0.15, 0.15)
        frames = np.stack([_look(canvas, size, at, zoom=zoom, angle=0.0) for at, zoom in zip(path, zooms, strict=True)])
    else:
        angles = progress * rng.uniform(-0.5, 0.5)
        frames = np.stack([_look(canvas, size, np.zeros(2), zoom=0.95, angle=angle) for angle in angles])
        other = _develop(rng, _picture(rng, side)(rng, size)) / 255
        fade = np.clip(progress * 1.5, 0, 1)[:, None, None, None] * rng.integers(2)
        frames = frames * (1 - fade) + other * fade
    frames = frames + rng.normal(0, 0.01, frames.shape)
    return np.asarray(np.clip(frames * 255 + 0.5, 0, 255), dtype=np.uint8)


def render_foreign_audio(seed: int, side: Side = "train") -> NDArray[np.float32]:
    """Render 2 s of a sound that no thing of the world makes, (32000,) at 16 kHz, peak at most 0.9; an empty room is faint."""
    rng = _generator(seed, side, 2)
    makers = _SOUNDS[side]
    make = makers[int(rng.integers(len(makers)))]
    waveform = finish(rng, make(rng) * swell(DURATION, 0.03, 0.03))
    return waveform * np.float32(0.02 / 0.8) if make is foreign_sounds.hum else waveform


def _generator(seed: int, side: Side, medium: int) -> np.random.Generator:
    return np.random.default_rng([seed, medium, int(side == "held_out"), 0xF0])


def _picture(rng: np.random.Generator, side: Side) -> Callable[[np.random.Generator, int], Pixels]:
    makers = _PICTURES[side]
    return makers[int(rng.integers(len(makers)))]


def _develop(rng: np.random.Generator, pixels: Pixels) -> NDArray[np.uint8]:
    """Make a picture look as if a camera took it: exposure, colour cast, darker corners and grain."""
    axis = np.linspace(-1, 1, len(pixels))
    corners = 1 - rng.uniform(0, 0.3) * (axis[:, None] ** 2 + axis**2)[..., None] / 2
    exposed = np.clip(pixels, 0, 1) ** rng.uniform(0.75, 1.4) * corners * rng.uniform(0.92, 1.05, 3)
    grain = rng.normal(0, rng.uniform(0.003, 0.02), pixels.shape)
    return np.asarray(np.clip((exposed + grain) * 255 + 0.5, 0, 255), dtype=np.uint8)


def _look(canvas: Pixels, size: int, at: NDArray[np.float64], *, zoom: float, angle: float) -> Pixels:
    """Sample a window of a canvas, around `at` (a fraction of it off the centre), between its pixels."""
    grid = (np.arange(size) - (size - 1) / 2) * zoom
    rows = grid[:, None] * np.cos(angle) - grid * np.sin(angle) + (0.5 + at[0]) * (len(canvas) - 1)
    columns = grid[:, None] * np.sin(angle) + grid * np.cos(angle) + (0.5 + at[1]) * (len(canvas) - 1)
    rows, columns = np.clip(rows, 0, len(canvas) - 1.001), np.clip(columns, 0, len(canvas) - 1.001)
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    upper = canvas[top, left] * (1 - right) + canvas[top, left + 1] * right
    lower = canvas[top + 1, left] * (1 - right) + canvas[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)
