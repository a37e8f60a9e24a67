"""What a baseline learns from: pictures of one thing of the world, or of a person's folder, in memory, with classes."""

import hashlib
import multiprocessing
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PILImage
from torch import Tensor

from encoders.files import MediaError, read_image
from encoders.transforms import resize_and_crop
from training.config import WORLD
from training.features import Progress, no_progress
from training.world.pictures import REFERENCE_SIZE, render_image
from training.world.scene import BACKGROUNDS, COLOURS, THINGS, Scene
from training.world.split import Side, draw

WORLD_LABELS = THINGS + COLOURS + BACKGROUNDS
WORLD_GROUPS = (len(THINGS), len(COLOURS), len(BACKGROUNDS))
CHUNK = 256  # pictures that a process renders at a time


@dataclass(frozen=True)
class Refused:
    """A file that could not be read, and why, as a sentence for the person."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class PicturePool:
    """Pictures uint8 (N, size, size, 3) and their classes (N, num_classes), with the classes' names and groups."""

    name: str
    pixels: NDArray[np.uint8]
    classes: Tensor
    labels: tuple[str, ...]
    groups: tuple[int, ...]
    refused: tuple[Refused, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def size(self) -> int:
        """Return the height and width of a picture."""
        return int(self.pixels.shape[1])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the pictures and their classes, as hex."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.labels, self.groups)).encode())
        digest.update(self.pixels.tobytes())
        digest.update(self.classes.numpy().tobytes())
        return digest.hexdigest()

    def batch(self, count: int, seed: int, number: int) -> dict[str, Tensor]:
        """Return the `number`-th batch: {"images": (count, 3, size, size) in [-1, 1], "classes": (count, num_classes)}.

        Each picture comes once in a round, in an order of its own, a pure function of (seed, number).
        """
        positions = np.arange(number * count, (number + 1) * count)
        rounds, places = positions // len(self), positions % len(self)
        chosen = [_order(len(self), seed, int(turn))[place] for turn, place in zip(rounds, places, strict=True)]
        return {"images": signed(self.pixels[chosen]), "classes": self.classes[torch.tensor(chosen)]}


def open_pictures(
    data: str, size: int, *, count: int, seed: int, workers: int = 0, progress: Progress = no_progress
) -> PicturePool:
    """Open the world ("world": `count` renders) or a folder of pictures (all of them), at size x size.

    Raises ValueError if there is no such folder, or nothing in it that can be read.
    """
    if data == WORLD:
        return world_pictures(size, count, seed, workers=workers, progress=progress)
    return folder_pictures(Path(data), size, progress=progress)


def world_pictures(
    size: int, count: int, seed: int, *, side: Side = "train", workers: int = 0, progress: Progress = no_progress
) -> PicturePool:
    """Render `count` pictures of one thing, the same for the same arguments at any number of `workers`.

    A smaller picture is one of 64x64 made smaller, so that things stand between pixels as they do there.
    """
    rng = random.Random(f"pictures {side} {seed}")
    scenes = [draw(rng, "one", side) for _ in range(count)]
    jobs = [(scene, rng.getrandbits(31)) for scene in scenes]
    chunks = [jobs[start : start + CHUNK] for start in range(0, count, CHUNK)]
    rendered = list(_rendered(chunks, size, workers, progress))
    classes = torch.stack([world_classes(scene) for scene in scenes])
    return PicturePool(WORLD, np.concatenate(rendered), classes, WORLD_LABELS, WORLD_GROUPS)


def world_classes(scene: Scene) -> Tensor:
    """The classes of a scene of one thing: 1 at its thing, its colour and its background: (26)."""
    vector = torch.zeros(len(WORLD_LABELS))
    asked = (scene.thing.name, scene.thing.colour, scene.background)
    vector[[WORLD_LABELS.index(name) for name in asked]] = 1
    return vector


def folder_pictures(folder: Path, size: int, *, progress: Progress = no_progress) -> PicturePool:
    """Read a folder's pictures, resized and cropped to their middle; its subfolders, if it has any, are the classes.

    Files that cannot be read are left out and named in `refused`. Raises ValueError if none is left.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {str(folder)!r}. Give one of pictures, or 'world'.")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    read: list[NDArray[np.uint8]] = []
    names: list[str] = []
    refused: list[Refused] = []
    for number, path in enumerate(files, start=1):
        try:
            read.append(resize_and_crop(read_image(path).to_uint8(), size))
        except MediaError as error:
            refused.append(Refused(str(path.relative_to(folder)), str(error)))
        else:
            inside = path.relative_to(folder).parts
            names.append(inside[0] if len(inside) > 1 else folder.resolve().name)
        progress("read", number, len(files))
    if not read:
        some = "; ".join(each.reason for each in refused[:3])
        raise ValueError(f"{str(folder)!r} holds no picture that can be read ({len(files)} files). {some}".strip())
    labels = tuple(sorted(set(names)))
    classes = torch.eye(len(labels))[[labels.index(name) for name in names]]
    return PicturePool(folder.resolve().name, np.stack(read), classes, labels, (len(labels),), tuple(refused))


def scaled(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(H, H, 3) -> (size, size, 3): means of boxes to a smaller size, bicubic to a larger one."""
    if len(picture) == size:
        return picture
    method = PILImage.Resampling.BOX if size < len(picture) else PILImage.Resampling.BICUBIC
    return np.asarray(PILImage.fromarray(picture).resize((size, size), method))


def signed(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (B, H, W, 3) -> float (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


@lru_cache(maxsize=2)
def _order(count: int, seed: int, turn: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, turn)).permutation(count)


def _rendered(
    chunks: Sequence[Sequence[tuple[Scene, int]]], size: int, workers: int, progress: Progress
) -> Iterator[NDArray[np.uint8]]:
    total = sum(map(len, chunks))
    render = partial(_render, size=size)
    done = 0
    with ExitStack() as stack:
        parts: Iterator[NDArray[np.uint8]] = map(render, chunks)
        if workers:
            fork = multiprocessing.get_context("fork")
            plainly = (signal.SIGTERM, signal.SIG_DFL)  # not as a training ends, whose handler a fork has, too
            parts = stack.enter_context(fork.Pool(workers, signal.signal, plainly)).imap(render, chunks)
        for part in parts:
            done += len(part)
            progress("render", done, total)
            yield part


def _render(jobs: Sequence[tuple[Scene, int]], size: int) -> NDArray[np.uint8]:
    drawn = max(size, REFERENCE_SIZE)
    return np.stack([scaled(render_image(scene, seed, drawn), size) for scene, seed in jobs])


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
