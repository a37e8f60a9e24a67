"""What the classic generators can show of themselves, as rows of pictures to look at side by side."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from encoders.files import read_image
from encoders.media import Image
from encoders.transforms import resize_and_crop
from pipelines.baselines.base import Baseline
from pipelines.baselines.labels import Label
from pipelines.baselines.paths import Way, between, walk
from pipelines.baselines.stylegan2 import StyleGAN2
from pipelines.baselines.stylegan2_projection import ProjectionOptions, ProjectionStep
from pipelines.baselines.vae import VAE
from studio.errors import StudioError

Told = Callable[[ProjectionStep], None]
Point = tuple[Tensor, Tensor]  # latents (z_dim) or styles (num_ws, w_dim), and the vector of the classes
SHARES = (0.1, 0.25, 0.5)  # of the way from a given picture to drawn samples
PROJECTION_STEPS = 300


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows, with what is written beside each row and above each column."""

    rows: tuple[tuple[Image, ...], ...]
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()


def samples(
    model: Baseline, label: Label, *, count: int, seed: int, truncation: float = 1.0, columns: int = 8
) -> Sheet:
    """Pictures of a class, one seed each: seed, seed + 1..."""
    made = _each(model, label, range(seed, seed + count), truncation)
    return Sheet(tuple(tuple(made[start : start + columns]) for start in range(0, count, columns)))


def truncation_sweep(model: Baseline, label: Label, truncations: Sequence[float], *, count: int, seed: int) -> Sheet:
    """The same seeds at one truncation after another, a row each."""
    seeds = range(seed, seed + count)
    rows = tuple(tuple(_each(model, label, seeds, truncation)) for truncation in truncations)
    return Sheet(rows, tuple(f"{truncation:g}" for truncation in truncations), tuple(map(str, seeds)))


def interpolation(
    model: Baseline, first: Label, second: Label, *, seeds: tuple[int, int], steps: int, space: str = "z",
    way: Way = "spherical", truncation: float = 1.0,
) -> Sheet:  # fmt: skip
    """Pictures on the way from one seed and class to another, in z (classes change evenly) or, of a StyleGAN, in w."""
    points = _points(model, (first, second), seeds, space, truncation)
    shares = [step / (steps - 1) for step in range(steps)] if steps > 1 else [0.0]
    made = tuple(_at(model, _between(points[0], points[1], share, way), truncation) for share in shares)
    return Sheet((made,), (), tuple(f"{share:.2f}" for share in shares))


def latent_walk(
    model: Baseline, label: Label, *, seeds: Sequence[int], steps: int, space: str = "z", way: Way = "spherical",
    truncation: float = 1.0, start: Point | None = None,
) -> list[Image]:  # fmt: skip
    """Pictures of a closed walk through several seeds, `steps` from each to the next.

    A `start` (see `point_of`) comes first, and the seeds are drawn in its space.
    """
    if start is None:
        points = _points(model, [label] * len(seeds), seeds, space, truncation)
    else:
        points = [start, *_points_around(model, start, label, seeds, truncation)]
    places = walk([point[0] for point in points], steps, way, closed=True)
    classes = walk([point[1] for point in points], steps, "linear", closed=True)
    return [_at(model, pair, truncation) for pair in zip(places, classes, strict=True)]


def style_mixing(
    model: Baseline,
    label: Label,
    *,
    rows: Sequence[int],
    columns: Sequence[int],
    crossover: int,
    truncation: float = 1.0,
) -> Sheet:
    """A StyleGAN's pictures with the coarse styles of each row's seed and the fine ones of each column's; both are named."""
    stylegan = _stylegan(model, "mix styles")
    coarse, fine = (_styles(stylegan, label, seeds, truncation) for seeds in (rows, columns))
    first = tuple(stylegan.synthesise(ws) for ws in fine)
    blank = Image(torch.ones_like(first[0].pixels))
    mixed = tuple(
        (stylegan.synthesise(row), *(stylegan.synthesise(stylegan.mix(row, column, crossover)) for column in fine))
        for row in coarse
    )
    return Sheet(((blank, *first), *mixed), ("", *map(str, rows)), ("", *map(str, columns)))


def traversal(
    model: Baseline, *, dimensions: Sequence[int] | int = 8, steps: int = 7, reach: float = 2.5, seed: int = 0,
    label: Label = None, image: Image | None = None,
) -> Sheet:  # fmt: skip
    """Turn one latent of a VAE at a time from -reach to reach: those that tell most, or the given ones.

    The rest is an image's, or drawn from the seed.
    """
    vae = _vae(model, "have its latents turned")
    chosen = vae.told_dimensions()[:dimensions] if isinstance(dimensions, int) else list(dimensions)
    if any(not 0 <= dimension < vae.z_dim for dimension in chosen):
        raise ValueError(f"The latents of this model have dimensions 0 to {vae.z_dim - 1}, not all of {chosen}.")
    generator = torch.Generator().manual_seed(seed)
    start = vae.draw_latents(generator) if image is None else vae.encode([image], label)
    shown = None if image is not None and label is None else vae.labels.vector(label, generator)[0]
    values = torch.linspace(-reach, reach, steps).tolist()
    rows = []
    for dimension in chosen:
        latents = start.repeat(steps, 1)
        latents[:, dimension] = torch.tensor(values)
        rows.append(vae.decode(latents, shown))
    names = tuple(f"z{dimension} ({vae.network.latent_kl[dimension]:.2f} nat)" for dimension in chosen)
    return Sheet(tuple(rows), names, tuple(f"{value:+.1f}" for value in values))


def reconstruction(model: Baseline, images: Sequence[Image], label: Label = None) -> Sheet:
    """Given pictures, and below them what comes back of a VAE."""
    again = _vae(model, "reconstruct").reconstruct(images, label)
    return Sheet((tuple(images), again), ("given", "came back"))


def morph(
    model: Baseline, first: Image, second: Image, *, steps: int, projection_steps: int = PROJECTION_STEPS,
    seed: int = 0, told: Told = lambda step: None,
) -> Sheet:  # fmt: skip
    """Pictures on the way from one given picture, A, to another, B: through a VAE's latents, or a StyleGAN's styles."""
    if steps < 2:
        raise ValueError(f"A morph has 2 pictures or more, not {steps}.")
    shares = [step / (steps - 1) for step in range(steps)]
    if isinstance(model, StyleGAN2):
        found = [_projected(model, image, projection_steps, seed, told) for image in (first, second)]
        made = [model.synthesise(between(found[0], found[1], share)) for share in shares]
    else:
        latents = _vae(model, "morph given pictures").encode([first, second])
        made = [*_vae(model, "").decode(torch.stack([between(latents[0], latents[1], share) for share in shares]))]
    return Sheet(((first, *made, second),), (), ("A", *(f"{share:.2f}" for share in shares), "B"))


def point_of(
    model: Baseline, image: Image, label: Label = None, *, projection_steps: int = PROJECTION_STEPS, seed: int = 0,
    told: Told = lambda step: None,
) -> Point:  # fmt: skip
    """Find where a given picture lies: a VAE's latents of it, or the styles that a StyleGAN finds for it.

    The classes are the given ones; without any, the model is not told what the picture shows.
    """
    classes = model.labels.asked(label)[0]
    if isinstance(model, StyleGAN2):
        return _projected(model, image, projection_steps, seed, told, label), classes
    return _vae(model, "tell where a given picture lies").encode([image], label)[0], classes


def nearby(
    model: Baseline, image: Image, start: Point, label: Label = None, *, shares: Sequence[float] = SHARES,
    count: int = 6, seed: int = 0, truncation: float = 1.0,
) -> Sheet:  # fmt: skip
    """A given picture with what the model makes of it, and below them samples around it, further off in each row.

    `start` is the picture's point. A share is how much of the way to `count` drawn samples, one seed each, is gone.
    """
    if not shares or not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"A share of the way to another sample is from 0 to 1, not all of {tuple(shares)}.")
    goals = _points_around(model, start, label, range(seed, seed + count), truncation)
    way: Way = "linear" if start[0].ndim == 2 else "spherical"
    rows = [[_at(model, _between(start, goal, share, way), truncation) for goal in goals] for share in shares]
    names = ("given, made", *(f"{share:g} of the way" for share in shares))
    return Sheet(((image, _at(model, start, truncation)), *map(tuple, rows)), names)


def picture_for(model: Baseline, path: Path) -> Image:
    """Read a person's picture, at the model's size: shorter side scaled, the middle kept."""
    return Image.from_uint8(resize_and_crop(read_image(path).to_uint8(), model.image_size).copy())


def _each(model: Baseline, label: Label, seeds: Iterable[int], truncation: float) -> list[Image]:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return list(model.sample(len(generators), label, truncation, generators).images)


def _points(
    model: Baseline, labels: Sequence[Label], seeds: Sequence[int], space: str, truncation: float
) -> list[Point]:
    """The point of each seed."""
    if space not in ("z", "w"):
        raise ValueError(f"A space is z or w, not {space!r}.")
    points = []
    for label, seed in zip(labels, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        z = model.draw_latents(generator, truncation)
        vector = model.labels.vector(label, generator)[0]
        if space == "w":
            z = _stylegan(model, "walk in w").styles(1, vector, truncation, latents=z)
        points.append((z[0], vector))
    return points


def _points_around(model: Baseline, start: Point, label: Label, seeds: Iterable[int], truncation: float) -> list[Point]:
    """The latents of each seed with the start's classes, or where the start has styles, those of each seed."""
    place, classes = start
    if place.ndim == 2:
        return [(ws, classes) for ws in _styles(_stylegan(model, "walk in w"), label, list(seeds), truncation)]
    drawn = (model.draw_latents(torch.Generator().manual_seed(seed), truncation)[0] for seed in seeds)
    return [(z, classes) for z in drawn]


def _between(first: Point, second: Point, share: float, way: Way) -> Point:
    return between(first[0], second[0], share, way), between(first[1], second[1], share)


def _at(model: Baseline, point: Point, truncation: float) -> Image:
    """The picture of a point: styles have two dimensions, latents one."""
    place, classes = point
    if place.ndim == 2:
        return _stylegan(model, "walk in w").synthesise(place)
    (image,) = model.sample(1, classes, truncation, latents=place[None]).images
    assert isinstance(image, Image)
    return image


def _styles(model: StyleGAN2, label: Label, seeds: Sequence[int], truncation: float) -> Tensor:
    return model.styles(len(seeds), label, truncation, [torch.Generator().manual_seed(seed) for seed in seeds])


def _projected(model: StyleGAN2, image: Image, steps: int, seed: int, told: Told, label: Label = None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    found: Tensor | None = None
    for step in model.project(image, label, ProjectionOptions(num_steps=steps), generator=generator):
        told(step)
        found = step.ws
    assert found is not None
    return found


def _vae(model: Baseline, what: str) -> VAE:
    if not isinstance(model, VAE):
        raise StudioError(f"A {type(model).__name__} cannot {what}; choose a VAE.")
    return model


def _stylegan(model: Baseline, what: str) -> StyleGAN2:
    if not isinstance(model, StyleGAN2):
        raise StudioError(f"A {type(model).__name__} cannot {what}; choose a StyleGAN2.")
    return model
