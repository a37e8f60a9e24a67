"""Pictures and videos from which an attribute was taken away, so that the others must be read on their own.

Every colour comes with some things only (split.py holds the other pairs out), so that a colour seen is a hint at the
thing: encoders that take it fail on the pairs held out. With colours turned at random, of which nothing is asked, a shape
tells of the thing alone; a blurred video tells of the motion alone, one that stands still of all but the motion.
"""

import math
import random

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from training.foundation.readout import answers, without
from training.world.pictures import render_image, render_video
from training.world.scene import Kind
from training.world.split import draw

GREY_SHARE = 0.15
COLOURED = ("colour", "other_colour", "background")  # what turned hues tell nothing of
BLUR_PX = 16  # the edge of the squares in which a blurred video keeps but the mean
_KINDS: tuple[Kind, ...] = ("one", "two", "two")


def recoloured_pictures(rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Pictures with their hues turned, or grey: uint8 (count, 64, 64, 3), and the answers without colours and places."""
    scenes = [draw(rng, _KINDS[number % len(_KINDS)], "train") for number in range(count)]
    pictures = np.stack([render_image(scene, rng.getrandbits(31)) for scene in scenes])
    turned = torch.stack([recoloured(torch.from_numpy(picture), rng) for picture in pictures])
    return turned, without(answers(scenes), *COLOURED)


def partial_videos(rng: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Videos, in turn blurred and still: uint8 (count, 8, 64, 64, 3), and the answers that each still holds."""
    scenes = [draw(rng, "video", "train") for _ in range(count)]
    frames = torch.from_numpy(np.stack([render_video(scene, rng.getrandbits(31)) for scene in scenes]))
    changed = [
        blurred(video) if number % 2 else video[rng.randrange(len(video))].expand_as(video)
        for number, video in enumerate(frames)
    ]
    right = answers(scenes)
    moving, still = without(right, "thing", "colour", "background"), without(right, "motion")
    of_blurred = torch.arange(count)[:, None] % 2 == 1
    return torch.stack(changed), torch.where(of_blurred, moving, still)


def recoloured(picture: Tensor, rng: random.Random) -> Tensor:
    """uint8 (..., 3) -> the same with all hues turned by one random angle, or without any hue."""
    if rng.random() < GREY_SHARE:
        matrix = torch.full((3, 3), 1 / 3)
    else:  # Rodrigues' rotation about the axis of greys
        angle = rng.uniform(0, 2 * math.pi)
        cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
        matrix = (
            math.cos(angle) * torch.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * torch.full((3, 3), 1 / 3)
        )
    return (picture.float() @ matrix.T).round().clamp(0, 255).byte()


def blurred(frames: Tensor) -> Tensor:
    """uint8 (frames, H, W, 3) -> the same, of which only the means over squares are left, joined smoothly."""
    planes = frames.permute(0, 3, 1, 2).float()
    small = avg_pool2d(planes, BLUR_PX)
    smooth = interpolate(small, size=planes.shape[-2:], mode="bilinear")
    return smooth.round().byte().permute(0, 2, 3, 1)
