"""Batches and the loss for encoders that bind the senses: captions beside pictures, videos and sounds.

Scenes come in families that differ in one attribute each, so that a caption must be read to its last word; all items that
a caption fits count as its matches.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from training.world.captions import SIZE_WORDS, caption
from training.world.pictures import render_image, render_video
from training.world.scene import BACKGROUNDS, COLOURS, SIZES, THINGS, Kind, Motion, Relation, Scene
from training.world.split import draw, is_trained

FAMILY = 4
_SIZES = frozenset(word for words in SIZE_WORDS.values() for word in words)


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
    what = rng.choice(("thing", "colour", "size", "background", "relation", "motion"))
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
    if what == "size" and thing.size is not None:
        thing = replace(thing, size=rng.choice([size for size in SIZES if size != thing.size]))
    elif what == "colour":
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


def matches(scenes: Sequence[Scene], texts: Sequence[str]) -> Tensor:
    """(N, N) float: 1 where what a scene shows (rows) fits the text of a scene (columns), which may leave sizes out."""
    seen, unsized = _numbers(scenes), _numbers([_unsized(scene) for scene in scenes])
    is_sized = torch.tensor([_names_size(text) for text in texts])
    return torch.where(is_sized, seen[:, None] == seen, unsized[:, None] == unsized).float()


def _numbers(scenes: Sequence[Scene]) -> Tensor:
    return torch.tensor([scenes.index(scene) for scene in scenes])


def _unsized(scene: Scene) -> Scene:
    return replace(scene, things=tuple(replace(thing, size=None) for thing in scene.things))


def _names_size(text: str) -> bool:
    return not _SIZES.isdisjoint(text.split())


def contrastive_loss(a: Tensor, b: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions with every match a positive (Radford 2021, Khosla 2020).

    (N, D), (M, D), (N, M) -> scalar. An item without a match is but a near miss of the others.
    """
    logits = scale * normalize(a.float(), dim=-1) @ normalize(b.float(), dim=-1).T
    return (_cross_entropy(logits, same) + _cross_entropy(logits.T, same.T)) / 2


def _cross_entropy(logits: Tensor, same: Tensor) -> Tensor:
    matched = same.any(1)
    shares = same[matched] / same[matched].sum(1, keepdim=True)
    return -(shares * log_softmax(logits[matched], 1)).sum(1).mean()


def top1(a: Tensor, b: Tensor, same: Tensor) -> Tensor:
    """Share of the items of `a` whose nearest neighbour in `b` is a match."""
    nearest = (normalize(a.float(), dim=-1) @ normalize(b.float(), dim=-1).T).argmax(1)
    return same[torch.arange(len(a)), nearest].mean()
