"""Compare what a model answered with what was asked of it: its media through the judge, its words through rules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torchaudio.functional import resample

from encoders.media import Audio, Image, Media, Video
from encoders.modality import Modality
from training.world.dialogues import Dialogue, MediaRef
from training.world.judge import (
    NUM_FRAMES,
    SAMPLE_RATE,
    JudgedModality,
    SceneReading,
    read_audio,
    read_image,
    read_video,
    right,
    set_attributes,
)
from training.world.reading import agrees, read_attributes
from training.world.scene import Scene, Thing
from training.world.wording import Language

JUDGED: Mapping[Modality, JudgedModality] = {
    Modality.IMAGE: "image",
    Modality.AUDIO: "audio",
    Modality.VIDEO: "video",
}
AUDIO_SAMPLES = 2 * SAMPLE_RATE
DECLINES: Mapping[Language, str] = {"en": "sorry, i ", "zh": "对不起，"}  # how every refusal of the wordings begins


@dataclass(frozen=True)
class Answer:
    """One turn's answer: its text and its media in order."""

    text: str
    media: tuple[Media, ...] = ()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What fired, in order; a video with a soundtrack fired twice."""
        fired: list[Modality] = []
        for medium in self.media:
            fired.append(medium.modality)
            if isinstance(medium, Video) and medium.soundtrack is not None:
                fired.append(Modality.AUDIO)
        return tuple(fired)


@dataclass(frozen=True)
class Verdict:
    """What came of one sample; None where a question does not arise. `wanted` and `got` are for people to read."""

    right: bool
    fired: bool | None = None
    declined: bool | None = None
    wanted: str = ""
    got: str = ""


def expected_media(dialogue: Dialogue) -> list[list[MediaRef]]:
    """The media that each assistant turn should hold."""
    return [
        [part[part["type"]] for part in message["content"] if part["type"] != Modality.TEXT]
        for message in dialogue.messages
        if message["role"] == "assistant"
    ]


def fired_rightly(dialogue: Dialogue, answers: Sequence[Answer]) -> bool:
    """Tell whether every turn made media of the wanted modalities, in their order, and no others."""
    return all(
        answer.modalities == tuple(reference.modality for reference in wanted)
        for answer, wanted in zip(answers, expected_media(dialogue), strict=True)
    )


def declines(text: str, language: Language) -> bool:
    """Tell whether a reply says that something lies outside the model's world."""
    return DECLINES[language] in text.lower()


def read_medium(medium: Media) -> SceneReading:
    """Let the judge read an image, a sound or a video; lengths and sizes are brought to what it knows."""
    match medium:
        case Image():
            return read_image(medium.to_uint8()[None])[0]
        case Video():
            return read_video(_frames(medium)[None])[0]
        case Audio():
            return read_audio(_waveform(medium)[None])[0]
    raise ValueError(f"The judge reads images, sounds and videos, not {medium.modality}.")


def media_are_right(
    answer: Answer, wanted: Sequence[tuple[Modality, Scene]], asked: Sequence[Collection[str]]
) -> tuple[bool, str]:
    """Tell whether the media of a turn are of the wanted modalities and show all that was asked; and what was read."""
    media = [part for whole in answer.media for part in _with_soundtrack(whole)]
    if [medium.modality for medium in media] != [modality for modality, _ in wanted]:
        return False, f"made {', '.join(answer.modalities) or 'nothing'}"
    read = [read_medium(medium) for medium in media]
    are_right = [
        right(reading, scene, [a for a in set_attributes(scene, JUDGED[modality]) if a in attributes])
        for reading, (modality, scene), attributes in zip(read, wanted, asked, strict=True)
    ]
    return all(are_right), "; ".join(map(str, read))


def text_is_right(text: str, language: Language, scene: Scene, asked: frozenset[str] | None) -> bool:
    """Tell whether a description names what was asked of the scene."""
    return agrees(read_attributes(text, language), scene, asked)


def keep_free_choices(new: Scene, old: Scene, asked: Collection[str], before: SceneReading) -> Scene:
    """What a revision of an earlier picture must show: where that picture was free, what it really showed stays.

    `old` and `new` are the scenes of the dialogue, `asked` is what was asked of the earlier picture, `before` what the
    judge read in it.
    """
    colours = dict(zip(before.things, before.colours, strict=True))
    by_name = {thing.name: thing for thing in old.things}

    def kept(place: int, thing: Thing) -> Thing:
        former = by_name.get(thing.name) or (old.things[place] if place < len(old.things) else None)
        if former is None:
            return thing
        colour, size = thing.colour, thing.size
        if "colour" not in asked and colour == former.colour:
            colour = colours.get(former.name) or colour
        if "size" not in asked and size is not None and size == former.size:
            size = before.size or size
        return replace(thing, colour=colour, size=size)

    background = new.background
    if "background" not in asked and background == old.background:
        background = before.background or background
    return replace(new, things=tuple(kept(i, thing) for i, thing in enumerate(new.things)), background=background)


def _with_soundtrack(medium: Media) -> list[Media]:
    if isinstance(medium, Video) and medium.soundtrack is not None:
        return [medium, medium.soundtrack]
    return [medium]


def _frames(video: Video) -> NDArray[np.uint8]:
    """(8, H, W, 3): as many frames as the judge knows, evenly spaced."""
    frames = video.to_uint8()
    return np.take(frames, np.linspace(0, len(frames) - 1, NUM_FRAMES).round().astype(int), axis=0)


def _waveform(audio: Audio) -> NDArray[np.float32]:
    """(32000,): one channel, 2 s at 16 kHz, silence after a shorter sound."""
    mono = resample(audio.waveform.mean(0), audio.rate, SAMPLE_RATE)[:AUDIO_SAMPLES]
    padded: NDArray[np.float32] = F.pad(mono, (0, AUDIO_SAMPLES - len(mono))).numpy()
    return padded
