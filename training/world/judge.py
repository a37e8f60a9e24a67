"""The judge: an independent recogniser that reads generated media back into scenes, for evaluation and nothing else.

One small convolutional network a modality, trained on renders alone (training/foundation/judge.py). Each answers a few
questions at once; a `SceneReading` gathers the answers, and `right` compares them with the scene that was asked for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from training.world.scene import (
    BACKGROUNDS,
    COLOURS,
    SIZES,
    SOUNDING_THINGS,
    THINGS,
    Motion,
    Relation,
    Scene,
)

JudgedModality = Literal["image", "audio", "video"]
Attribute = Literal["thing", "colour", "size", "background", "relation", "motion"]

WEIGHTS = Path(__file__).parent / "judge"
IMAGE_SIZE = 64
NUM_FRAMES = 8
SAMPLE_RATE = 16_000
_ONE, _TWO = "one", "two"

# What each network is asked. Of a pair, slot 1 is the thing further left or higher, slot 2 the other one.
QUESTIONS: Mapping[JudgedModality, Mapping[str, tuple[str, ...]]] = {
    "image": {
        "count": (_ONE, _TWO),
        "background": BACKGROUNDS,
        "size": SIZES,
        "relation": (Relation.LEFT_OF, Relation.ABOVE),
        "thing 1": THINGS,
        "colour 1": COLOURS,
        "thing 2": THINGS,
        "colour 2": COLOURS,
    },
    "video": {"thing 1": THINGS, "colour 1": COLOURS, "background": BACKGROUNDS, "motion": tuple(Motion)},
    "audio": {"thing 1": SOUNDING_THINGS},
}
ATTRIBUTES: Mapping[JudgedModality, frozenset[Attribute]] = {
    "image": frozenset({"thing", "colour", "size", "background", "relation"}),
    "video": frozenset({"thing", "colour", "background", "motion"}),
    "audio": frozenset({"thing"}),
}
_OPPOSITE = {Relation.RIGHT_OF: Relation.LEFT_OF, Relation.BELOW: Relation.ABOVE}


@dataclass(frozen=True)
class SceneReading:
    """What the judge read: things in the order of `ordered`; None where the medium does not tell."""

    things: tuple[str, ...]
    colours: tuple[str | None, ...]
    size: str | None = None
    background: str | None = None
    relation: str | None = None
    motion: str | None = None


def ordered(scene: Scene) -> Scene:
    """Write a pair with its left or upper thing first, which is how the judge reads it; other scenes stay."""
    if scene.relation not in _OPPOSITE:
        return scene
    first, second = scene.things
    return Scene((second, first), scene.background, relation=_OPPOSITE[scene.relation])


def right(reading: SceneReading, scene: Scene, asked: Collection[Attribute]) -> bool:
    """Tell whether every asked attribute of the scene was read. `asked` must only name what the scene sets.

    A scene of one thing is never right when two were read, nor the other way round.
    """
    scene = ordered(scene)
    names, colours = tuple(t.name for t in scene.things), tuple(t.colour for t in scene.things)
    if len(reading.things) != len(names):
        return False
    pairs: dict[Attribute, tuple[object, object]] = {
        "thing": (reading.things, names),
        "colour": (reading.colours, colours),
        "size": (reading.size, scene.thing.size),
        "background": (reading.background, scene.background),
        "relation": (reading.relation, scene.relation),
        "motion": (reading.motion, scene.motion),
    }
    return all(pairs[attribute][0] == pairs[attribute][1] for attribute in asked)


def answers(scene: Scene, modality: JudgedModality) -> dict[str, int]:
    """The right answer to every question, as an index; -1 where the scene leaves it open."""
    scene = ordered(scene)
    words: dict[str, str | None] = {
        "count": _ONE if len(scene.things) == 1 else _TWO,
        "background": scene.background,
        "size": scene.thing.size,
        "relation": scene.relation,
        "motion": scene.motion,
    }
    for slot, thing in enumerate(scene.things, start=1):
        words |= {f"thing {slot}": thing.name, f"colour {slot}": thing.colour}
    return {
        question: -1 if (word := words.get(question)) is None else choices.index(word)
        for question, choices in QUESTIONS[modality].items()
    }


def read_image(images: NDArray[np.uint8]) -> list[SceneReading]:
    """Read (B, H, W, 3) pictures; another size than 64x64 is resized first."""
    return [_image_reading(words) for words in _ask("image", prepare_images(torch.from_numpy(images)))]


def read_video(videos: NDArray[np.uint8]) -> list[SceneReading]:
    """Read (B, 8, H, W, 3) videos."""
    batch = torch.from_numpy(videos)
    frames = prepare_images(rearrange(batch, "b t h w c -> (b t) h w c"))
    read = _ask("video", rearrange(frames, "(b t) c h w -> b t c h w", b=len(batch)))
    return [
        SceneReading((w["thing 1"],), (w["colour 1"],), background=w["background"], motion=w["motion"]) for w in read
    ]


def read_audio(waveforms: NDArray[np.float32]) -> list[SceneReading]:
    """Read (B, 32000) sounds of 2 s at 16 kHz."""
    return [SceneReading((w["thing 1"],), (None,)) for w in _ask("audio", prepare_audio(torch.from_numpy(waveforms)))]


def _image_reading(words: Mapping[str, str]) -> SceneReading:
    if words["count"] == _ONE:
        return SceneReading((words["thing 1"],), (words["colour 1"],), words["size"], words["background"])
    return SceneReading(
        (words["thing 1"], words["thing 2"]),
        (words["colour 1"], words["colour 2"]),
        background=words["background"],
        relation=words["relation"],
    )


def prepare_images(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, 64, 64) in [-1, 1]."""
    batch = rearrange(images, "b h w c -> b c h w").float() / 127.5 - 1
    if batch.shape[-2:] != (IMAGE_SIZE, IMAGE_SIZE):
        batch = F.interpolate(batch, (IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True, align_corners=False)
    return batch


def prepare_audio(waveforms: Tensor) -> Tensor:
    """(B, T) -> (B, 1, 64, T / 320 + 1): log mel bands, whatever the loudness: zero mean, unit deviation a clip."""
    levels = (_mel()(waveforms) + 1e-5 * waveforms.square().mean(-1)[:, None, None] + 1e-9).log()[:, None]
    mean, deviation = levels.mean((1, 2, 3), keepdim=True), levels.std((1, 2, 3), keepdim=True)
    normalised: Tensor = (levels - mean) / (deviation + 1e-3)
    return normalised


@cache
def _mel() -> MelSpectrogram:
    return MelSpectrogram(SAMPLE_RATE, n_fft=640, hop_length=320, f_min=40, n_mels=64)


@torch.inference_mode()
def _ask(modality: JudgedModality, batch: Tensor, chunk: int = 64) -> list[dict[str, str]]:
    """The most likely answer to every question, for each of (B, ...) prepared media."""
    network, questions, read = load_judge(modality), QUESTIONS[modality], list[dict[str, str]]()
    for part in torch.split(batch, chunk):
        best = {question: logits.argmax(-1).tolist() for question, logits in network(part).items()}
        read += [{question: questions[question][best[question][i]] for question in best} for i in range(len(part))]
    return read


class JudgeNetwork(nn.Module):
    """Convolutions, their small map flattened (places matter to relations and motions), one layer, the answers."""

    def __init__(self, modality: JudgedModality, *, width: int = 24, pooled: int = 16, hidden: int = 224) -> None:
        super().__init__()
        self.modality = modality
        channels, cells = (1, 4 * 7) if modality == "audio" else (3, 8 * 8)
        num_frames = NUM_FRAMES if modality == "video" else 1
        frame_width = 3 * hidden // (num_frames + 2)
        self.body = nn.Sequential(
            _Convolution(channels, width, stride=2),
            _Convolution(width, 2 * width, stride=2),
            *([] if modality == "video" else [_Convolution(2 * width, 2 * width)]),
            _Convolution(2 * width, 3 * width, stride=2),
            _Convolution(3 * width, 3 * width),
            *([_Convolution(3 * width, 3 * width, stride=2)] if modality == "audio" else []),
            nn.Conv2d(3 * width, pooled, 1),
        )
        self.frame = nn.Linear(pooled * cells, frame_width)
        self.over_time = nn.Conv1d(frame_width, frame_width, 3, padding=1) if modality == "video" else None
        self.last = nn.Linear(frame_width * num_frames, hidden)
        self.heads = nn.ModuleList(nn.Linear(hidden, len(choices)) for choices in QUESTIONS[modality].values())

    def forward(self, media: Tensor) -> dict[str, Tensor]:
        """(B, C, H, W), or (B, T, C, H, W) of a video -> logits (B, choices) of each question."""
        video = media if media.ndim == 5 else media[:, None]
        maps = self.body(rearrange(video, "b t c h w -> (b t) c h w").contiguous(memory_format=torch.channels_last))
        features = F.silu(self.frame(rearrange(maps, "(b t) c h w -> b t (c h w)", b=len(video))))
        if self.over_time is not None:
            features = features + F.silu(self.over_time(rearrange(features, "b t d -> b d t"))).mT
        hidden = F.silu(self.last(rearrange(features, "b t d -> b (t d)")))
        return dict(zip(QUESTIONS[self.modality], (head(hidden) for head in self.heads), strict=True))


class _Convolution(nn.Sequential):
    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False), nn.GroupNorm(8, out_channels), nn.SiLU()
        )


@cache
def load_judge(modality: JudgedModality) -> JudgeNetwork:
    """The trained network that ships with the repository."""
    path = WEIGHTS / f"{modality}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"No judge of {modality}: train it with `python -m training.foundation.judge`.")
    network = JudgeNetwork(modality).eval()
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return network.requires_grad_(False)


def set_attributes(scene: Scene, modality: JudgedModality) -> frozenset[Attribute]:
    """The attributes that a scene sets and a medium of this modality shows."""
    unset: set[Attribute] = set()
    if scene.thing.size is None:
        unset.add("size")
    if scene.relation is None:
        unset.add("relation")
    if scene.motion is None:
        unset.add("motion")
    return ATTRIBUTES[modality] - unset
