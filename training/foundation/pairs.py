"""Batches and the loss for encoders that bind the senses: captions beside pictures, videos and sounds.

Scenes come in families that differ in one attribute each, so that a caption must be read to its last word; items that
share every named attribute count as matches of each other.
"""

import random
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from training.world.captions import caption
from training.world.pictures import render_image, render_video
from training.world.scene import BACKGROUNDS, COLOURS, THINGS, Kind, Motion, Relation, Scene
from training.world.split import draw, is_trained

FAMILY = 4


def family(rng: random.Random, kind: Kind) -> list[Scene]:
    """Draw a scene and `FAMILY - 1` near misses of it, each with another thing, colour, background, relation or motion."""
    first = draw(rng, kind, "train")
    scenes = [first]
    while len(scenes) < FAMILY:
        other = _near_miss(rng, first)
        if other not in scenes and is_trained(other):
            scenes.append(other)
    return scenes


def _near_miss(rng: random.Random, scene: Scene) -> Scene:
    what = rng.choice(("thing", "colour", "background", "relation", "motion"))
    place = rng.randrange(len(scene.things))
    thing = scene.things[place]
    if what == "background":
        return replace(scene, background=rng.choice(BACKGROUNDS))
    if what == "relation" and scene.relation is not None:
        if rng.random() < 0.5:
            return replace(scene, things=scene.things[::-1])
        return replace(scene, relation=rng.choice(list(Relation)))
    if what == "motion" and scene.motion is not None:
        return replace(scene, motion=rng.choice(list(Motion)))
    if what == "colour":
        thing = replace(thing, colour=rng.choice(COLOURS))
    else:
        taken = {other.name for other in scene.things} - {thing.name}
        thing = replace(thing, name=rng.choice([name for name in THINGS if name not in taken]))
    return replace(scene, things=tuple(thing if i == place else other for i, other in enumerate(scene.things)))


def pictures(rng: random.Random, count: int) -> tuple[np.ndarray, list[str], list[Scene]]:
    """Render families of pictures: uint8 (count, 64, 64, 3), their captions and scenes."""
    kinds: tuple[Kind, ...] = ("one", "two", "two")
    scenes = [scene for i in range(count // FAMILY) for scene in family(rng, kinds[i % len(kinds)])]
    images = np.stack([render_image(scene, rng.getrandbits(31)) for scene in scenes])
    return images, [caption(scene, rng.getrandbits(31)) for scene in scenes], scenes


def videos(rng: random.Random, count: int) -> tuple[np.ndarray, list[str], list[Scene]]:
    """Render families of videos: uint8 (count, 8, 64, 64, 3), their captions and scenes."""
    scenes = [scene for _ in range(count // FAMILY) for scene in family(rng, "video")]
    frames = np.stack([render_video(scene, rng.getrandbits(31)) for scene in scenes])
    return frames, [caption(scene, rng.getrandbits(31), kind="video") for scene in scenes], scenes


def matches(scenes: list[Scene]) -> Tensor:
    """(N, N) float: 1 where two items show the same (sizes aside: captions may leave them out), else 0."""
    keys = [replace(scene, things=tuple(replace(thing, size=None) for thing in scene.things)) for scene in scenes]
    numbers = torch.tensor([[keys.index(key)] for key in keys])
    return (numbers == numbers.T).float()


def contrastive_loss(a: Tensor, b: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions with every match a positive: (N, D), (N, D), (N, N) -> scalar (Radford 2021, Khosla 2020)."""
    logits = scale * normalize(a.float(), dim=-1) @ normalize(b.float(), dim=-1).T
    rows = same / same.sum(1, keepdim=True)
    columns = same.T / same.T.sum(1, keepdim=True)
    return -((rows * log_softmax(logits, 1)).sum(1).mean() + (columns * log_softmax(logits.T, 1)).sum(1).mean()) / 2


def top1(a: Tensor, b: Tensor, same: Tensor) -> Tensor:
    """Share of the items of `a` whose nearest neighbour in `b` is a match."""
    nearest = (normalize(a.float(), dim=-1) @ normalize(b.float(), dim=-1).T).argmax(1)
    return same[torch.arange(len(a)), nearest].mean()
