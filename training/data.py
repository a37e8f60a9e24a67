"""What the stages train on: dialogues from the procedural world, or from people's own manifest.

The world is a pure function of (seed, index, side); its media are small references, rendered only when an encoder asks
for them. A stage has a purpose: to describe what it is shown, to make what it is asked for, or to talk (all of it).
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.files import read_media
from encoders.media import Audio, Image, Media, Video
from encoders.modality import Modality
from training import world
from training.config import WORLD
from training.features import hash_file
from training.foundation.isolation import HIDDEN, isolated
from training.foundation.readout import answers, without
from training.manifest import Manifest, ManifestPair, read_manifest
from training.world.dialogues import MediaRef, draw_dialogue
from training.world.foreign import (
    render_foreign_audio,
    render_foreign_image,
    render_foreign_video,
)
from training.world.pictures import VIDEO_RATE, render_image, render_video
from training.world.scene import BACKGROUNDS, COLOURS, Scene, Thing
from training.world.sounds import SAMPLE_RATE, reach_when_heard, render_audio
from training.world.split import Side

Purpose = Literal["describe", "make", "talk"]
_REHEARSED = "rehearse"  # in words alone: what is to be made is said, and no condition taught
TASKS: Mapping[Purpose, Sequence[str | None]] = {
    "describe": ("describe_image", "describe_audio", "describe_video", "describe_image"),
    "make": ("draw", "play", "animate", "draw"),
    "talk": (*[None] * 7, _REHEARSED),  # as the world weighs them
}
# How a manifest's pairs are worded, by modality: several ways to ask, taken in turn.
_DESCRIBE = {
    Modality.IMAGE: ("Describe this picture.", "What do you see?", "What is in this image?"),
    Modality.AUDIO: ("Describe this sound.", "What do you hear?", "What makes this sound?"),
    Modality.VIDEO: ("Describe this video.", "What happens in this video?", "What do you see?"),
}
_MAKE = {
    Modality.IMAGE: ("Draw {}", "Make a picture of {}", "Show me {}"),
    Modality.AUDIO: ("Play {}", "Let me hear {}", "Make the sound of {}"),
    Modality.VIDEO: ("Animate {}", "Make a video of {}", "Show me a video of {}"),
}
# In how many ways a scene (of a sound: a thing) is rendered for training, so that the frozen encoders have less to read.
VARIANTS = {Modality.IMAGE: 8, Modality.AUDIO: 512, Modality.VIDEO: 4}
FOREIGN_VARIANTS = 1000
SOUNDTRACK_EVERY = 3  # one in so many videos of things with a sound is shown with it
_SEED_STRIDE = 10_000_000  # seeds of the world's dialogues: run seed * stride + index
_SHOWN = 6  # held-out samples that are shown while training
_HOLD_OUT_FROM = 60  # a manifest with fewer samples is trained on whole, and shown from what it trains on


@dataclass(frozen=True)
class WorldMedia:
    """A medium of the world, and on which side of the split it is rendered."""

    reference: MediaRef
    side: Side


Payload = WorldMedia | Path


@dataclass(frozen=True)
class Sample:
    """A dialogue in content-part form; `name` tells people which it is.

    Of one in `words_only` the words are taught, and not what the media that the assistant makes look like.
    """

    name: str
    messages: Sequence[Mapping[str, Any]]
    words_only: bool = False

    def needs(self) -> Iterator[tuple[str, Modality]]:
        """Go through the (role, modality) of all media: what users show, what the assistant makes."""
        for message in self.messages:
            for part in message["content"]:
                if part["type"] != Modality.TEXT:
                    yield message["role"], Modality(part["type"])

    def made(self) -> Iterator["Payload"]:
        """Go through the media that the assistant made, in order."""
        for message in self.messages:
            if message["role"] == "assistant":
                yield from (part[part["type"]] for part in message["content"] if part["type"] != Modality.TEXT)


@dataclass(frozen=True)
class Data:
    """What is trained on, and a few samples to show along the way."""

    train: Sequence[Sample]
    shown: Sequence[Sample]


def open_data(data: str) -> Manifest | None:
    """Read and check a manifest whole, before anything else is loaded; None is the world. Raises ManifestError."""
    return None if data == WORLD else read_manifest(Path(data))


def load_data(
    manifest: Manifest | None,
    purpose: Purpose,
    num_samples: int,
    seed: int,
    *,
    reads: frozenset[Modality],
    makes: frozenset[Modality],
) -> Data:
    """Draw samples of the world that a model can use (it `reads` and `makes` these modalities), or word a manifest.

    Raises ValueError if a manifest holds nothing for the purpose, or a medium that the model cannot use.
    """

    def is_usable(sample: Sample) -> bool:
        return all(modality in (reads if role == "user" else makes) for role, modality in sample.needs())

    if manifest is None:
        drawn = world_samples(purpose, num_samples, seed, "train")
        shown = world_samples(purpose, 4 * _SHOWN, seed, "held_out")
        return Data([s for s in drawn if is_usable(s)], [s for s in shown if is_usable(s)][:_SHOWN])
    samples = manifest_samples(manifest, purpose)
    if not samples:
        wanted = {"describe": "media with captions or questions about them", "make": "captions or requests for media"}
        raise ValueError(f"Nothing in this manifest serves the stage; wanted {wanted.get(purpose, 'dialogues')}.")
    for sample in samples:
        for role, modality in sample.needs():
            if modality not in (reads if role == "user" else makes):
                raise ValueError(f"{sample.name}: this model cannot {'read' if role == 'user' else 'make'} {modality}.")
    if len(samples) < _HOLD_OUT_FROM:
        return Data(samples, samples[:_SHOWN])
    return Data(samples[:-_SHOWN], samples[-_SHOWN:])


def world_samples(purpose: Purpose, num_samples: int, seed: int, side: Side) -> list[Sample]:
    """Draw the first samples of the world for a purpose, a pure function of the arguments."""
    tasks = TASKS[purpose]
    return [world_sample(seed * _SEED_STRIDE + index, side, tasks[index % len(tasks)]) for index in range(num_samples)]


def world_sample(seed: int, side: Side, task: str | None) -> Sample:
    """Draw one dialogue of the world."""
    messages = draw_dialogue(seed, side, task=task).messages
    pooled = [_from_pool(message, side) for message in messages]
    return Sample(f"world {side} {seed}", pooled, words_only=task == _REHEARSED)


def manifest_samples(manifest: Manifest, purpose: Purpose) -> list[Sample]:
    """Word a manifest's pairs for a purpose, and choose its dialogues that serve it."""
    samples: list[Sample] = []
    for number, pair in enumerate(manifest.pairs):
        if purpose in ("describe", "talk"):
            samples.append(_describe(pair, number))
        if purpose in ("make", "talk"):
            samples.append(_make(pair, number))
    for number, dialogue in enumerate(manifest.dialogues):
        sample = Sample(f"dialogue {number + 1}", dialogue.messages)
        roles = {role for role, _ in sample.needs()}
        if {"describe": roles == {"user"}, "make": "assistant" in roles, "talk": True}[purpose]:
            samples.append(sample)
    return samples


def media_key(payload: Payload) -> str:
    """Name a medium by its content: a file's bytes, or all that decides how the world renders it."""
    if isinstance(payload, WorldMedia):
        reference = payload.reference
        shown = reference.scene
        if shown is not None and reference.modality is Modality.AUDIO:
            shown = Scene((Thing(shown.thing.name, COLOURS[0]),), BACKGROUNDS[0])  # a sound is that of its thing alone
        what = f"{reference.modality} {shown!r} {reference.seed} {payload.side} {reference.partial}"
        return hashlib.sha256(f"{_world_fingerprint()} {what}".encode()).hexdigest()
    return hash_file(payload)


def known_answers(payload: Payload) -> tuple[int, ...] | None:
    """What a medium of the world shows, as the reading aid asks for it; nothing is known of people's own files."""
    if not isinstance(payload, WorldMedia):
        return None
    reference = payload.reference
    right = answers([reference.scene], heard=reference.modality is Modality.AUDIO)
    return tuple(without(right, *HIDDEN[reference.partial])[0].tolist())


def load_media(payload: Payload, modality: Modality) -> Media:
    """Render or read a medium; raises ValueError naming a file of another modality than its manifest says."""
    if isinstance(payload, WorldMedia):
        return render(payload)
    media = read_media(payload)
    if media.modality != modality:
        raise ValueError(f"{payload}: this is {media.modality}, the manifest says {modality}.")
    return media


def render(media: WorldMedia) -> Media:
    """Render a medium of the world, or one from outside it."""
    reference, side = media.reference, media.side
    scene, seed = reference.scene, reference.seed
    if reference.modality is Modality.IMAGE:
        pixels = render_foreign_image(seed, side=side) if scene is None else render_image(scene, seed)
        return Image.from_uint8(_partly(reference, pixels))
    if reference.modality is Modality.VIDEO:
        frames = render_foreign_video(seed, side=side) if scene is None else render_video(scene, seed)
        return Video.from_uint8(_partly(reference, frames), VIDEO_RATE)
    if scene is None:
        return Audio.from_numpy(render_foreign_audio(seed, side=side), SAMPLE_RATE)
    waveform = render_audio(scene, seed, side, reach=reach_when_heard(seed, side))
    return Audio.from_numpy(waveform, SAMPLE_RATE)


def _partly(reference: MediaRef, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take away what a medium is to be shown without."""
    if not reference.partial or reference.scene is None:
        return pixels
    return isolated(torch.from_numpy(pixels), reference.partial, random.Random(reference.seed), reference.scene).numpy()


def _from_pool(message: Mapping[str, Any], side: Side) -> dict[str, Any]:
    """Draw a message's media from the pool, in which every scene is rendered in a few ways only.

    Some videos that users show are followed by the sound of their thing, as an uploaded video's soundtrack is.
    """
    content: list[dict[str, Any]] = []
    for part in message["content"]:
        if part["type"] == "text":
            content.append(part)
            continue
        reference: MediaRef = part[part["type"]]
        variants = FOREIGN_VARIANTS if reference.scene is None else VARIANTS[reference.modality]
        folded = replace(reference, seed=reference.seed % variants)
        content.append(part | {part["type"]: WorldMedia(folded, side)})
        is_shown = message["role"] == "user" and reference.modality is Modality.VIDEO
        scene = reference.scene
        if is_shown and scene is not None and scene.thing.has_sound and reference.seed % SOUNDTRACK_EVERY == 0:
            heard = MediaRef(Modality.AUDIO, scene, reference.seed % VARIANTS[Modality.AUDIO])
            content.append({"type": "audio", "audio": WorldMedia(heard, side)})
    return {"role": message["role"], "content": content}


def _describe(pair: ManifestPair, number: int) -> Sample:
    asked = _DESCRIBE[pair.modality][number % len(_DESCRIBE[pair.modality])]
    shown = {"type": str(pair.modality), str(pair.modality): pair.path}
    return Sample(
        f"pair {number + 1}",
        [
            {"role": "user", "content": [shown, {"type": "text", "text": asked}]},
            {"role": "assistant", "content": [{"type": "text", "text": pair.caption}]},
        ],
    )


def _make(pair: ManifestPair, number: int) -> Sample:
    asked = _MAKE[pair.modality][number % len(_MAKE[pair.modality])].format(pair.caption)
    made = {"type": str(pair.modality), str(pair.modality): pair.path, "caption": pair.caption}
    return Sample(
        f"pair {number + 1}",
        [
            {"role": "user", "content": [{"type": "text", "text": asked}]},
            {"role": "assistant", "content": [{"type": "text", "text": pair.caption}, made]},
        ],
    )


@lru_cache(maxsize=1)
def _world_fingerprint() -> str:
    """What decides how the world is rendered: its code and its icons."""
    folder = Path(str(world.__file__)).parent
    files = [*folder.glob("*.py"), *folder.glob("icons/*")]
    return hashlib.sha256("".join(f"{path.name} {hash_file(path)}" for path in sorted(files)).encode()).hexdigest()
