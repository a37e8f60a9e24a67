"""Render a scene as a small flat picture or as a short video, from the project's own icons."""

import io
import math
import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import resvg_py
from PIL import Image

from training.world.scene import Motion, Relation, Scene, Thing
from training.world.scenery import scenery_svg

Pixels = npt.NDArray[np.uint8]

ICONS = Path(__file__).parent / "icons"
RGB = tuple[int, int, int]
COLOUR_RGB: Mapping[str, RGB] = {
    "red": (226, 44, 44),
    "orange": (250, 138, 24),
    "yellow": (254, 220, 40),
    "green": (40, 166, 78),
    "blue": (40, 100, 228),
    "purple": (158, 66, 208),
}
# The icons' two placeholders, and how bright each is drawn.
BODY, SHADE = ("#ff00ff", 1.0), ("#cc00cc", 0.84)

# All lengths are in pixels of a picture of this size, and grow with the size asked for.
REFERENCE_SIZE = 64
SIZES_PX = {"big": 44, "small": 26}
PAIR_PX = 27
VIDEO_PX = 30
GROWTH_PX = (18, 44)
TRAVEL_PX = 26
ONE_JITTER_PX = 5
PAIR_JITTER_PX = 2
VIDEO_JITTER_PX = 2
PAIR_OFFSET_PX = 16
NUM_VARIANTS = 8
NUM_FRAMES = 8
VIDEO_RATE = 4.0  # frames a second: the 8 frames last as long as the 2 s of a sound

# Where the first thing of a pair is from the centre, as (x, y) directions.
_PAIR_DIRECTIONS = {
    Relation.LEFT_OF: (-1, 0),
    Relation.RIGHT_OF: (1, 0),
    Relation.ABOVE: (0, -1),
    Relation.BELOW: (0, 1),
}
_TRAVEL_DIRECTIONS = {Motion.LEFT: (-1, 0), Motion.RIGHT: (1, 0), Motion.UP: (0, -1), Motion.DOWN: (0, 1)}


class Pose(NamedTuple):
    """How a thing stands: its centre as seen from the picture's centre, its edge length, and its clockwise turn."""

    x: float
    y: float
    pixels: float
    degrees: float = 0.0


class Sprite(NamedTuple):
    """An icon cut to what it covers: premultiplied colour (h, w, 3), what shows through (h, w, 1), and its corner."""

    colour: npt.NDArray[np.uint16]
    through: npt.NDArray[np.uint16]
    top: int
    left: int


def render_image(
    scene: Scene, seed: int, size: int = REFERENCE_SIZE, palette: Mapping[str, RGB] = COLOUR_RGB
) -> Pixels:
    """Render one still picture, a pure function of its arguments: uint8 (size, size, 3)."""
    # A string seed keeps places independent of a scene that was itself drawn with random.Random(seed).
    rng = random.Random(f"image {seed}")
    picture = background(scene.background, rng.randrange(NUM_VARIANTS), size).copy()
    for thing, pose in zip(scene.things, _poses(scene, rng), strict=True):
        _paste(picture, thing, pose, palette)
    return picture


def render_video(
    scene: Scene, seed: int, num_frames: int = NUM_FRAMES, size: int = REFERENCE_SIZE
) -> npt.NDArray[np.uint8]:
    """Render a moving thing on a still background: uint8 (num_frames, size, size, 3), `VIDEO_RATE` frames a second."""
    if scene.motion is None:
        raise ValueError("This scene has no motion; set one of: " + ", ".join(Motion) + ".")
    rng = random.Random(f"video {seed}")
    still = background(scene.background, rng.randrange(NUM_VARIANTS), size)
    x, y = _jitter(rng, VIDEO_JITTER_PX), _jitter(rng, VIDEO_JITTER_PX)
    frames = np.repeat(still[None], num_frames, axis=0)
    for index, frame in enumerate(frames):
        pose = motion_pose(scene.motion, index, num_frames)
        _paste(frame, scene.thing, pose._replace(x=pose.x + x, y=pose.y + y))
    return frames


def render_background(scene: Scene, seed: int, size: int = REFERENCE_SIZE) -> Pixels:
    """Render what `render_image`, or for a scene with motion `render_video`, puts its things on: uint8 (size, size, 3)."""
    rng = random.Random(f"{'image' if scene.motion is None else 'video'} {seed}")
    return background(scene.background, rng.randrange(NUM_VARIANTS), size)


def motion_pose(motion: Motion, index: int, num_frames: int) -> Pose:
    """Give the pose of frame `index`, before any jitter."""
    progress = index / max(num_frames - 1, 1)
    match motion:
        case Motion.LEFT | Motion.RIGHT | Motion.UP | Motion.DOWN:
            across = TRAVEL_PX * (progress - 0.5)
            x, y = _TRAVEL_DIRECTIONS[motion]
            return Pose(x * across, y * across, VIDEO_PX)
        case Motion.GROW | Motion.SHRINK:
            start, end = GROWTH_PX if motion is Motion.GROW else GROWTH_PX[::-1]
            return Pose(0, 0, start + (end - start) * progress)
        case Motion.SPIN:
            return Pose(0, 0, VIDEO_PX, degrees=360 * index / num_frames)
        case Motion.BOUNCE:
            # Two falls from rest and two rises, each a parabola as under gravity: 0 at the top, 1 at the ground.
            fallen = (1 - abs(1 - 2 * (2 * index / num_frames % 1))) ** 2
            return Pose(0, TRAVEL_PX * (fallen - 0.5), VIDEO_PX)


@lru_cache(maxsize=256)
def background(name: str, variant: int, size: int = REFERENCE_SIZE) -> Pixels:
    """Render one variant of an empty background, read-only: uint8 (size, size, 3)."""
    pixels = _rasterise(scenery_svg(name, variant), size)[:, :, :3].astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=8192)
def sprite(name: str, colour: RGB, pixels: int, degrees: float = 0.0) -> Sprite:
    """Render an icon in a colour, `pixels` to its edge and turned clockwise; its corner counts from its centre."""
    # The canvas holds the icon at any turn; an even difference keeps the icon's centre on the canvas's.
    canvas = pixels + 2 * math.ceil(pixels * (math.sqrt(2) - 1) / 2)
    rgba = _rasterise(_icon_svg(name, colour, canvas / pixels, degrees), canvas)
    rows, columns = np.any(rgba[:, :, 3], axis=1).nonzero()[0], np.any(rgba[:, :, 3], axis=0).nonzero()[0]
    cut = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    alpha = cut[:, :, 3:]
    premultiplied = (cut[:, :, :3] * alpha + 127) // 255
    corner = pixels // 2 + (canvas - pixels) // 2
    return Sprite(
        premultiplied.astype(np.uint16),
        (255 - alpha).astype(np.uint16),
        int(rows[0]) - corner,
        int(columns[0]) - corner,
    )


def _poses(scene: Scene, rng: random.Random) -> list[Pose]:
    if scene.relation is None:
        pixels = SIZES_PX[scene.thing.size or rng.choice(list(SIZES_PX))]
        return [Pose(_jitter(rng, ONE_JITTER_PX), _jitter(rng, ONE_JITTER_PX), pixels)]
    x, y = (PAIR_OFFSET_PX * direction for direction in _PAIR_DIRECTIONS[scene.relation])
    return [
        Pose(side * x + _jitter(rng, PAIR_JITTER_PX), side * y + _jitter(rng, PAIR_JITTER_PX), PAIR_PX)
        for side in (1, -1)
    ]


def _jitter(rng: random.Random, most: int) -> int:
    return rng.randint(-most, most)


def _paste(picture: Pixels, thing: Thing, pose: Pose, palette: Mapping[str, RGB] = COLOUR_RGB) -> None:
    """Blend a thing over a picture (size, size, 3) in place; what falls outside is cut off."""
    size = len(picture)
    scale = size / REFERENCE_SIZE
    icon = sprite(thing.name, palette[thing.colour], max(round(pose.pixels * scale), 1), pose.degrees)
    top, left = round(size / 2 + pose.y * scale) + icon.top, round(size / 2 + pose.x * scale) + icon.left
    height, width = icon.through.shape[:2]
    rows, columns = slice(max(top, 0), min(top + height, size)), slice(max(left, 0), min(left + width, size))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    under = picture[rows, columns]
    picture[rows, columns] = icon.colour[inside] + (under * icon.through[inside] + 127) // 255


@lru_cache
def _icon_source(name: str) -> str:
    return (ICONS / f"{name}.svg").read_text(encoding="utf-8")


def _icon_svg(name: str, colour: RGB, margin: float, degrees: float) -> str:
    """Colour and turn an icon, in a viewBox `margin` times its own."""
    inner = _icon_source(name).partition(">")[2].rpartition("</svg>")[0]
    for placeholder, brightness in (BODY, SHADE):
        channels = (round(channel * brightness) for channel in colour)
        inner = inner.replace(placeholder, "#" + "".join(f"{channel:02x}" for channel in channels))
    edge = 64 * margin
    start = 32 - edge / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{start} {start} {edge} {edge}">'
        f'<g transform="rotate({degrees} 32 32)">{inner}</g></svg>'
    )


def _rasterise(svg: str, size: int) -> npt.NDArray[np.uint16]:
    """Rasterise a square drawing: straight (not premultiplied) RGBA (size, size, 4)."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), dtype=np.uint16)
