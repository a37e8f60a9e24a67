"""The figures of one family: its pictures beside real renders, through a feature network and the judge."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from encoders.base import Encoder
from encoders.media import Image, Text
from encoders.modality import Modality
from pipelines.baselines.contestants import Contestant, Request
from training.baselines.metrics import diversity, frechet_distance, kernel_distance, nearness
from training.baselines.pictures import WORLD_LABELS, scaled, world_classes
from training.world.judge import Attribute, read_image, right
from training.world.pictures import REFERENCE_SIZE, render_image
from training.world.scene import Scene
from training.world.split import Side, draw

PRECISION_NEIGHBOURS, COVERAGE_NEIGHBOURS = 3, 5  # the papers' own
ASKED: tuple[Attribute, ...] = ("thing", "colour", "background")


@dataclass(frozen=True)
class Scored:
    """One row of the table. Costs are None for real renders, and a score where there is nothing to compute it with."""

    name: str
    pictures: int
    frechet: float
    kernel: float
    precision: float
    recall: float
    density: float
    coverage: float
    diversity: float
    caption_score: float | None
    thing: float
    colour: float
    background: float
    every: float
    new_combinations: float | None
    parameters: int | None
    seconds: float | None
    gigaflops: float | None


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What all families are measured by: the same requests, real renders, one size, one feature network."""

    scenes: tuple[Scene, ...]
    size: int
    features: Encoder
    captions: Encoder | None
    real: Tensor  # features of real renders

    @classmethod
    def make(cls, count: int, size: int, features: Encoder, captions: Encoder | None, *, seed: int) -> "Yardstick":
        """Draw `count` scenes of trained combinations, and render others for the real side."""
        scenes = draw_scenes(count, "train", seed)
        real = features_of(renders(draw_scenes(count, "train", seed + 1), seed + 1, size), features)
        return cls(tuple(scenes), size, features, captions, real)

    def score(self, name: str, pictures: Sequence[Image], costs: "Costs | None", unseen: float | None) -> Scored:
        """Measure the pictures of this yardstick's scenes."""
        made = features_of(pictures, self.features)
        near = nearness(self.real, made, neighbours=PRECISION_NEIGHBOURS)
        covered = nearness(self.real, made, neighbours=COVERAGE_NEIGHBOURS)
        shares = judged(pictures, self.scenes)
        return Scored(
            name,
            len(pictures),
            frechet_distance(self.real, made),
            kernel_distance(self.real, made),
            near.precision,
            near.recall,
            covered.density,
            covered.coverage,
            diversity(made),
            None if self.captions is None else caption_score(pictures, self.scenes, self.captions),
            shares["thing"],
            shares["colour"],
            shares["background"],
            shares["every"],
            unseen,
            *((None, None, None) if costs is None else (costs.parameters, costs.seconds, costs.gigaflops)),
        )


@dataclass(frozen=True)
class Costs:
    """What one picture takes."""

    parameters: int
    seconds: float
    gigaflops: float


def draw_scenes(count: int, side: Side, seed: int) -> list[Scene]:
    """Draw scenes of one thing."""
    rng = random.Random(f"evaluate {side} {seed}")
    return [draw(rng, "one", side) for _ in range(count)]


def renders(scenes: Sequence[Scene], seed: int, size: int) -> list[Image]:
    """Render scenes, at 64x64, then made smaller if `size` is."""
    drawn = max(size, REFERENCE_SIZE)
    return [
        Image.from_uint8(scaled(render_image(scene, seed * 1_000_003 + number, drawn), size).copy())
        for number, scene in enumerate(scenes)
    ]


def request_of(scene: Scene) -> Request:
    """Ask for a scene's thing, colour and background, in plain words and as classes."""
    thing = scene.thing
    place = {"sky": "in the sky", "meadow": "in a meadow", "beach": "on a beach", "night": "at night"}[scene.background]
    article = "an" if thing.colour[0] in "aeiou" else "a"
    names = tuple(WORLD_LABELS[number] for number in world_classes(scene).nonzero()[:, 0].tolist())
    return Request(f"{article} {thing.colour} {thing.name} {place}", names)


def drawn(contestant: Contestant, scenes: Sequence[Scene], size: int, seed: int) -> Iterator[tuple[Image, float]]:
    """Yield each scene's picture, made as large as the others', and the seconds that it took."""
    for number, scene in enumerate(scenes):
        began = time.perf_counter()
        picture = contestant.draw(request_of(scene), seed + number)
        spent = time.perf_counter() - began
        yield Image.from_uint8(scaled(picture.to_uint8(), size).copy()), spent


def gigaflops(contestant: Contestant, scene: Scene) -> float:
    """Count the operations of one picture (a multiplication and an addition are two), in thousand millions."""
    with FlopCounterMode(display=False) as counter:
        contestant.draw(request_of(scene), 0)
    return float(counter.get_total_flops()) / 1e9


def features_of(pictures: Sequence[Image], encoder: Encoder) -> Tensor:
    """The features (N, width) of pictures, in float64."""
    return torch.cat([encoder.encode([picture]).pooled.cpu().double() for picture in pictures])


def judged(pictures: Sequence[Image], scenes: Sequence[Scene]) -> dict[str, float]:
    """The judge's shares of right things, colours and backgrounds, and of pictures with "every" one of them right."""
    read = read_image(np.stack([picture.to_uint8() for picture in pictures]))
    pairs = list(zip(read, scenes, strict=True))
    shares = {str(a): sum(right(r, scene, (a,)) for r, scene in pairs) / len(pairs) for a in ASKED}
    return {**shares, "every": sum(right(r, scene, ASKED) for r, scene in pairs) / len(pairs)}


def caption_score(pictures: Sequence[Image], scenes: Sequence[Scene], encoder: Encoder) -> float:
    """100 times the mean cosine, no less than 0 each, of a picture and its caption (Hessel et al. 2021)."""
    cosines = []
    for picture, scene in zip(pictures, scenes, strict=True):
        seen = encoder.encode([picture]).pooled
        said = encoder.encode([Text(request_of(scene).caption)]).pooled
        cosines.append(max(float((seen * said).sum()), 0.0))
    return 100 * sum(cosines) / len(cosines)


def reads_captions(encoder: Encoder) -> bool:
    """Tell whether an encoder reads pictures and words."""
    return {Modality.IMAGE, Modality.TEXT} <= encoder.modalities


HEADINGS = {
    "name": "", "pictures": "pictures", "frechet": "Frechet", "kernel": "kernel", "precision": "precision",
    "recall": "recall", "density": "density", "coverage": "coverage", "diversity": "diversity",
    "caption_score": "caption score", "thing": "thing", "colour": "colour", "background": "background",
    "every": "all three", "new_combinations": "new combinations", "parameters": "parameters", "seconds": "s/picture",
    "gigaflops": "GFLOP/picture",
}  # fmt: skip
_SHARES = ("thing", "colour", "background", "every", "new_combinations")


def cells(row: Scored) -> list[str]:
    """A row as people read it."""
    return [_cell(field.name, getattr(row, field.name)) for field in fields(row)]


def _cell(name: str, value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if name in _SHARES:
        return f"{value:.1%}"
    if name == "parameters":
        return f"{value / 1e6:.2f}M"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
