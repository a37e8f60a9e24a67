"""How often the judge is right on clean renders of held-out scenes: `python -m training.world.judge_accuracy`."""

import argparse
import random
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from training.world import split
from training.world.judge import (
    JudgedModality,
    SceneReading,
    read_audio,
    read_image,
    read_video,
    right,
    set_attributes,
)
from training.world.pictures import render_image, render_video
from training.world.scene import Kind, Scene
from training.world.sounds import render_audio

KINDS: Mapping[JudgedModality, tuple[Kind, ...]] = {"image": ("one", "two"), "audio": ("audio",), "video": ("video",)}
READERS: Mapping[JudgedModality, Callable[[NDArray[Any]], list[SceneReading]]] = {
    "image": read_image,
    "audio": read_audio,
    "video": read_video,
}


def render(
    scenes: list[Scene], modality: JudgedModality, seeds: list[int], *, side: split.Side
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Render scenes as one batch: images (B, 64, 64, 3), videos (B, 8, 64, 64, 3) or sounds (B, 32000)."""
    pairs = list(zip(scenes, seeds, strict=True))
    if modality == "image":
        return np.stack([render_image(scene, seed) for scene, seed in pairs])
    if modality == "video":
        return np.stack([render_video(scene, seed) for scene, seed in pairs])
    return np.stack([render_audio(scene, seed, side) for scene, seed in pairs])


def measure(modality: JudgedModality, kind: Kind, count: int = 1000) -> int:
    """Count the renders, of `count` held-out scenes, of which the judge reads every attribute rightly."""
    rng = random.Random(f"measure the judge {modality} {kind}")
    scenes = [split.draw(rng, kind, "held_out") for _ in range(count)]
    media = render(scenes, modality, [rng.getrandbits(31) for _ in scenes], side="held_out")
    read = READERS[modality](media)
    return sum(right(r, scene, set_attributes(scene, modality)) for r, scene in zip(read, scenes, strict=True))


def print_accuracy(modality: JudgedModality, count: int = 1000) -> None:
    """Print one line for each kind of scene."""
    for kind in KINDS[modality]:
        correct = measure(modality, kind, count)
        print(f"{modality}, {kind}: {correct / count:.2%} of {count} held-out renders read rightly in every attribute")


def main() -> None:
    """The command line: see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modality", choices=get_args(JudgedModality), help="one network only")
    parser.add_argument("--count", type=int, default=1000, help="held-out renders a kind")
    asked = parser.parse_args()
    for modality in (asked.modality,) if asked.modality else KINDS:
        print_accuracy(modality, asked.count)


if __name__ == "__main__":
    main()
