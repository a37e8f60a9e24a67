"""Pictures and videos from which an attribute was taken away, so that the others must be read on their own.

Every colour comes with some things only (split.py holds the other pairs out), so that a colour seen is a hint at the
thing: encoders that take it fail on the pairs held out. With colours turned at random, of which nothing is asked, a shape
tells of the thing alone (and never in the colour held out for it); a blurred video tells of the motion alone, one that
stands still, or whose frames are shuffled, of all but the motion. Things that may not spin in training are never seen
upside down: whole frames rotated show them so, without a motion of their own.
"""

import math
import random
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate

from training.foundation.readout import answers, without
from training.world.pictures import COLOUR_RGB, RGB, render_image, render_video
from training.world.scene import Kind, Scene, Thing
from training.world.split import colour_is_held_out, draw
from training.world.talk import Partial

GREY_SHARE = 0.15
_OF_VIDEOS: tuple[Partial, ...] = ("still", "blurred", "shuffled", "rotated")
# What nothing is asked of, since it was taken away.
HIDDEN: Mapping[Partial, tuple[str, ...]] = {
    "": (),
    "turned": ("colour", "other_colour", "background"),
    "still": ("motion",),
    "shuffled": ("motion",),
    "rotated": ("motion", "background"),
    "blurred": ("thing", "colour", "background"),
}
BLUR_PX = 16  # the edge of the squares in which a blurred video keeps but the mean
_KINDS: tuple[Kind, ...] = ("one", "two", "two")


def recoloured_pictures(rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Pictures with their hues turned, or grey: uint8 (count, 64, 64, 3), and the answers without colours and places."""
    scenes = [draw(rng, _KINDS[number % len(_KINDS)], "train") for number in range(count)]
    pictures = [torch.from_numpy(render_image(scene, rng.getrandbits(31))) for scene in scenes]
    turned = torch.stack([recoloured(picture, rng, scene) for picture, scene in zip(pictures, scenes, strict=True)])
    return turned, without(answers(scenes), *HIDDEN["turned"])


def partial_videos(rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Videos, in turn still, blurred, shuffled, rotated: uint8 (count, 8, 64, 64, 3), and the answers that each still holds."""
    scenes = [draw(rng, "video", "train") for _ in range(count)]
    kinds = [_OF_VIDEOS[number % len(_OF_VIDEOS)] for number in range(count)]
    frames = [
        isolated(torch.from_numpy(render_video(scene, rng.getrandbits(31))), kind, rng, scene)
        for scene, kind in zip(scenes, kinds, strict=True)
    ]
    right = [without(answers([scene]), *HIDDEN[kind]) for scene, kind in zip(scenes, kinds, strict=True)]
    return torch.stack(frames), torch.cat(right)


def isolated(pixels: Tensor, partial: Partial, rng: random.Random, scene: Scene) -> Tensor:
    """Take away from a picture (H, W, 3) or a video (frames, H, W, 3) of a scene what `partial` says, uint8."""
    places = list(range(len(pixels)))
    match partial:
        case "turned":
            return recoloured(pixels, rng, scene)
        case "still":
            return pixels[[rng.choice(places)] * len(places)]
        case "shuffled":
            return pixels[rng.sample(places, len(places))]
        case "blurred":
            return blurred(pixels)
        case "rotated":
            return rotated(pixels, rng)
    return pixels


def recoloured(picture: Tensor, rng: random.Random, scene: Scene | None = None) -> Tensor:
    """uint8 (..., 3) -> the same with all hues turned by one random angle, or without any hue.

    No angle is taken that brings a thing of the scene nearest to the colour that is held out for it.
    """
    things = scene.things if scene else ()
    while True:
        matrix = _any_turn(rng)
        if not any(_is_held_out(thing, matrix @ torch.tensor(COLOUR_RGB[thing.colour]).float()) for thing in things):
            return (picture.float() @ matrix.T).round().clamp(0, 255).byte()


def _any_turn(rng: random.Random) -> Tensor:
    """A (3, 3) matrix that turns the hues of RGB, or takes them away."""
    if rng.random() < GREY_SHARE:
        return torch.full((3, 3), 1 / 3)
    angle = rng.uniform(0, 2 * math.pi)  # Rodrigues' rotation about the axis of greys
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return math.cos(angle) * torch.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * torch.full((3, 3), 1 / 3)


def strange_palette(scene: Scene, rng: random.Random) -> Mapping[str, RGB]:
    """Draw any colour for each of the scene's, nowhere nearest to the one that is held out for the thing in it."""
    while True:
        palette = {thing.colour: (rng.randrange(256), rng.randrange(256), rng.randrange(256)) for thing in scene.things}
        if not any(_is_held_out(thing, torch.tensor(palette[thing.colour]).float()) for thing in scene.things):
            return palette


def _is_held_out(thing: Thing, rgb: Tensor) -> bool:
    """Tell whether the palette's colour nearest to `rgb` (3,) is held out for the thing."""
    distances = {name: float((rgb - torch.tensor(known)).norm()) for name, known in COLOUR_RGB.items()}
    return colour_is_held_out(thing.name, min(distances, key=distances.__getitem__))


def rotated(frames: Tensor, rng: random.Random) -> Tensor:
    """uint8 (frames, H, W, 3) -> the same, each rotated about its centre, all by one random angle or each by its own."""
    alike = rng.random() < 0.5
    angle = rng.uniform(0, 2 * math.pi)
    angles = torch.tensor([angle if alike else rng.uniform(0, 2 * math.pi) for _ in frames])
    cosines, sines, zeros = angles.cos(), angles.sin(), torch.zeros(len(frames))
    matrices = torch.stack([cosines, -sines, zeros, sines, cosines, zeros], dim=1).reshape(-1, 2, 3)
    planes = frames.permute(0, 3, 1, 2).float()
    places = affine_grid(matrices, list(planes.shape), align_corners=False)
    turned = grid_sample(planes, places, padding_mode="reflection", align_corners=False)
    return turned.round().byte().permute(0, 2, 3, 1)


def blurred(frames: Tensor) -> Tensor:
    """uint8 (frames, H, W, 3) -> the same, of which only the means over squares are left, joined smoothly."""
    planes = frames.permute(0, 3, 1, 2).float()
    small = avg_pool2d(planes, BLUR_PX)
    smooth = interpolate(small, size=planes.shape[-2:], mode="bilinear")
    return smooth.round().byte().permute(0, 2, 3, 1)
