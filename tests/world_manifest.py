"""Held-out items of the world with their attributes, for the bench of meaning: `python -m tests.world_manifest FOLDER`.

Then `studio library bench --meaning FOLDER/manifest.jsonl`. Pictures show one thing or two, and "thing" of two names both.
"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from encoders.files import write_media
from encoders.media import Audio, Image, Video
from training.world.captions import inverted, wording
from training.world.pictures import VIDEO_RATE, render_image, render_video
from training.world.scene import Kind, Relation, Scene
from training.world.sounds import SAMPLE_RATE, render_audio
from training.world.split import draw

NAMED = frozenset({"size", "colour", "background", "motion"})
SUFFIXES = {"image": ".png", "audio": ".wav", "video": ".mp4"}


def write_manifest(folder: Path, count: int) -> Path:
    """Write `count` items of each sense, each with a held-out wording of all that can be seen or heard of it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for line in _lines(folder, count):
            file.write(json.dumps(line) + "\n")
    return path


def _lines(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    rng = random.Random("the bench of meaning")
    for modality, suffix in SUFFIXES.items():
        for number in range(count):
            kind: Kind = {"audio": "audio", "video": "video"}.get(modality) or rng.choice(("one", "two"))  # type: ignore[assignment]
            scene, seed = draw(rng, kind, "held_out"), rng.getrandbits(31)
            name = f"{modality}-{number:04}{suffix}"
            write_media(folder / name, _rendered(scene, modality, seed))
            attributes = attributes_of(scene, modality)
            text = wording(scene, rng, kind=kind, side="held_out", named=NAMED)
            yield {modality: name, "attributes": attributes}
            yield {"text": text, "about": modality, "attributes": attributes}


def attributes_of(scene: Scene, modality: str) -> dict[str, str]:
    """Return what a scene shows: the same for both ways to say where two things are."""
    if scene.relation in (Relation.RIGHT_OF, Relation.BELOW):
        scene = inverted(scene)
    things = {"thing": " and ".join(thing.name for thing in scene.things)}
    if modality == "audio":
        return things
    seen = {"colour": " and ".join(thing.colour for thing in scene.things), "background": scene.background}
    set_ones = {"size": scene.thing.size, "relation": scene.relation, "motion": scene.motion}
    return things | seen | {name: str(value) for name, value in set_ones.items() if value is not None}


def _rendered(scene: Scene, modality: str, seed: int) -> Image | Audio | Video:
    if modality == "image":
        return Image.from_uint8(render_image(scene, seed))
    if modality == "video":
        return Video.from_uint8(render_video(scene, seed), VIDEO_RATE)
    return Audio.from_numpy(render_audio(scene, seed, "held_out"), SAMPLE_RATE)


def main() -> None:
    """The command line: see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files and manifest.jsonl go")
    parser.add_argument("--count", type=int, default=1000, help="items of each sense")
    asked = parser.parse_args()
    print(write_manifest(asked.folder, asked.count))


if __name__ == "__main__":
    main()
