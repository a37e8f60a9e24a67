"""ImageBind's preprocessing: sounds to log-mel clips, stills and videos to normalised crops, text to tokens."""

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch
from parity import Absolute, Compared
from safetensors.torch import load_file
from torch import Tensor

from encoders.imagebind_config import AudioConfig, ImageBindConfig
from encoders.media import Audio, Image, Video
from encoders.text_tokens import clip_encode, text_batch
from encoders.transforms import audio_input, clip_starts, image_input, short_side_scaled, video_input

PREFIX = "imagebind_preprocess"
# The fixture's README; what it gives none for is compared as strictly as any other tensor.
MEL = Absolute(1e-3)
STILL = Absolute(2e-2)
EXACT = Absolute(0.0)
VIDEO_DURATION = "mid.video_clip_timepoints_"


def compare(folder: Path) -> Iterator[Compared]:
    """Prepare the recorded media as the encoder does."""
    recorded = load_file(folder / "io.safetensors")
    facts = json.loads((folder / "config.json").read_text())
    huge = ImageBindConfig.huge()
    assert huge.audio and huge.text
    audio = replace(
        huge.audio, sample_rate=facts["sample_rate"], num_mel_bins=facts["num_mel_bins"], mean=facts["mean"],
        std=facts["std"], target_length=facts["target_length"], clip_seconds=float(facts["clip_duration"]),
        num_clips=facts["clips_per_video"],
    )  # fmt: skip
    yield from _sounds(recorded, audio)
    yield from _stills(recorded, huge)
    yield from _videos(recorded, huge)
    if facts.get("prompts"):
        tokens = text_batch(facts["prompts"], clip_encode(), huge.text)
        yield "out.text_tokens", tokens, recorded.get("out.text_tokens"), EXACT


def timepoints(starts: list[Fraction], clip_seconds: float) -> Tensor:
    """(clips, 2): where each clip starts and ends, in seconds."""
    return torch.tensor(
        [[float(start), float(start + Fraction(clip_seconds))] for start in starts], dtype=torch.float64
    )


def _thinned(pixels: Tensor, name: str) -> Tensor:
    """Keep every so many-th row and column, as the name of the recorded tensor says: `..._ds4`."""
    step = int(name.rpartition("_ds")[2]) if "_ds" in name else 1
    return pixels[..., ::step, ::step]


def _sounds(recorded: dict[str, Tensor], config: AudioConfig) -> Iterator[Compared]:
    for name in [name for name in recorded if name.startswith("in.wave_") and name != "in.wave_file"]:
        length = name.removeprefix("in.wave_")
        sound = Audio.from_numpy(recorded[name].numpy(), config.sample_rate)
        # Longer than the sound: one clip, the whole of it.
        normalised = audio_input(sound, replace(config, num_clips=1, clip_seconds=1 + sound.seconds))[:, 0]
        yield f"out.melspec_{length}", normalised * config.std + config.mean, recorded.get(f"out.melspec_{length}"), MEL
        yield f"out.melspec_{length}_normalised", normalised, recorded.get(f"out.melspec_{length}_normalised"), MEL
    if "in.wave_file" not in recorded:
        return
    sound = Audio.from_numpy(recorded["in.wave_file"].numpy(), int(recorded["in.file_sr"]))
    clips = audio_input(sound, config)[None]
    yield "out.load_and_transform_audio", clips, recorded.get("out.load_and_transform_audio"), MEL
    resampled = -(-recorded["in.wave_file"].shape[1] * config.sample_rate // sound.rate)  # clips are cut after that
    starts = clip_starts(resampled / config.sample_rate, config.clip_seconds, config.num_clips)
    expected = recorded.get("mid.audio_clip_timepoints_s")
    yield "mid.audio_clip_timepoints_s", timepoints(starts, config.clip_seconds), expected, EXACT


def _stills(recorded: dict[str, Tensor], config: ImageBindConfig) -> Iterator[Compared]:
    assert config.vision
    if "in.image_rgb_u8" not in recorded:
        return
    pixels = image_input(Image.from_uint8(recorded["in.image_rgb_u8"]), config.vision)[None]
    yield from ((n, _thinned(pixels, n), w, STILL) for n, w in recorded.items() if n.startswith("out.image_224"))
    yield "mid.image_224_rowmean", pixels.mean(dim=3), recorded.get("mid.image_224_rowmean"), STILL
    yield "mid.image_224_channel_mean", pixels.mean(dim=(2, 3)), recorded.get("mid.image_224_channel_mean"), STILL


def _videos(recorded: dict[str, Tensor], config: ImageBindConfig) -> Iterator[Compared]:
    assert config.vision
    assert config.vision.clip_seconds
    for name in [name for name in recorded if name.startswith(VIDEO_DURATION)]:
        seconds = float(name.removeprefix(VIDEO_DURATION).removesuffix("s"))
        starts = clip_starts(seconds, config.vision.clip_seconds, config.vision.num_clips)
        yield name, timepoints(starts, config.vision.clip_seconds), recorded[name], EXACT
    if "in.video_u8" not in recorded:
        return
    frames = recorded["in.video_u8"].permute(1, 2, 3, 0)
    one_clip = replace(config.vision, num_clips=1)
    crops = video_input(Video.from_uint8(frames, rate=len(frames) / config.vision.clip_seconds), one_clip)
    yield from ((n, _thinned(crops, n), w) for n, w in recorded.items() if n.startswith("out.video_crops"))
    yield "mid.video_crops_mean", crops.mean(dim=(-2, -1)), recorded.get("mid.video_crops_mean")
    scaled = short_side_scaled(frames.permute(0, 3, 1, 2).float(), config.vision)
    yield "mid.video_scaled_hw", torch.tensor(scaled.shape[-2:]), recorded.get("mid.video_scaled_hw"), EXACT
