"""Fixtures of ImageBind's preprocessing with other media: torchaudio, torchvision and open_clip make what is recorded."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip import get_tokenizer
from PIL import Image
from recording import Recorded, assert_compared_whole, write
from torch import Tensor
from torch.nn import functional as F
from torchaudio.compliance.kaldi import fbank
from torchaudio.functional import resample
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
RATE, SIZE = 16000, 224
PROMPTS = ["", "word " * 90, "&lt;b&gt; l'été, 12.5 % &amp;amp; 日本", "ＡＢＣ ﬁ\tnew\nline"]


def mel(waveform: Tensor, facts: dict[str, Any]) -> Tensor:
    """(channels, n), centred in place -> (1, bins, target)."""
    waveform -= waveform.mean()
    made = fbank(
        waveform, htk_compat=True, sample_frequency=facts["sample_rate"], use_energy=False, window_type="hanning",
        num_mel_bins=facts["num_mel_bins"], dither=0.0, frame_length=25, frame_shift=10,
    ).T  # fmt: skip
    return F.pad(made, (0, max(facts["target_length"] - made.shape[1], 0)))[None, :, : facts["target_length"]]


def tones(generator: torch.Generator, channels: int, samples: int) -> Tensor:
    """Sounds of several notes with a little noise, as 16-bit numbers."""
    notes = torch.rand(channels, 4, 1, generator=generator) * 0.3
    wave = (notes * torch.arange(samples)).sin().mean(dim=1) + 0.01 * torch.randn(
        channels, samples, generator=generator
    )
    return (wave * 12000 + 300).to(torch.int16)


def sounds(generator: torch.Generator, facts: dict[str, Any], channels: int, file_rate: int, samples: int) -> Recorded:
    recorded = {}
    for name, length in (("tiny", 500), ("odd", 40111)):
        wave = recorded[f"in.wave_{name}"] = tones(generator, 1, length)
        recorded[f"out.melspec_{name}"] = made = mel(wave / 32768, facts)
        recorded[f"out.melspec_{name}_normalised"] = (made - facts["mean"]) / facts["std"]
    file = tones(generator, channels, samples)
    whole, clips, points = resample(file / 32768, file_rate, RATE), [], []
    room = Fraction(max(whole.shape[1] / RATE - facts["clip_duration"], 0))
    for number in range(facts["clips_per_video"]):
        start = room * number / max(facts["clips_per_video"] - 1, 1)
        end = start + Fraction(facts["clip_duration"])
        points.append([float(start), float(end)])
        clips.append((mel(whole[:, int(start * RATE) : int(end * RATE)], facts) - facts["mean"]) / facts["std"])
    return recorded | {
        "in.wave_file": file, "in.file_sr": torch.tensor(file_rate), "out.load_and_transform_audio": torch.stack(clips)[None],
        "mid.audio_clip_timepoints_s": torch.tensor(points, dtype=torch.float64),
    }  # fmt: skip


def pictures(generator: torch.Generator, height: int, width: int) -> Recorded:
    pixels = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=generator)
    prepare = Compose([Resize(SIZE, InterpolationMode.BICUBIC), CenterCrop(SIZE), ToTensor(), Normalize(MEAN, STD)])
    made = prepare(Image.fromarray(pixels.numpy()))[None]
    return {
        "in.image_rgb_u8": pixels, "out.image_224_ds3": made[..., ::3, ::3], "mid.image_224_rowmean": made.mean(dim=3),
        "mid.image_224_channel_mean": made.mean(dim=(2, 3)),
    }  # fmt: skip


def videos(generator: torch.Generator, num_frames: int, height: int, width: int, seconds: float) -> Recorded:
    frames = torch.randint(0, 256, (3, num_frames, height, width), dtype=torch.uint8, generator=generator)
    tall = height >= width
    longer = int(np.floor(max(height, width) / min(height, width) * SIZE))
    size = (longer, SIZE) if tall else (SIZE, longer)
    two = frames[:, [0, num_frames - 1]].float() / 255
    scaled = F.interpolate(two.transpose(0, 1), size=size, mode="bilinear", align_corners=False)
    normal = ((scaled - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]).transpose(0, 1)
    starts = (0, int(np.ceil((longer - SIZE) / 2)), longer - SIZE)
    crops = torch.stack([normal[:, :, at : at + SIZE] if tall else normal[..., at : at + SIZE] for at in starts])
    room = Fraction(max(seconds - 2, 0.0))
    points = [[float(room * number / 4), float(room * number / 4 + 2)] for number in range(5)]
    return {
        "in.video_u8": frames, "out.video_crops_ds5": crops[..., ::5, ::5], "mid.video_crops_mean": crops.mean(dim=(-2, -1)),
        "mid.video_scaled_hw": torch.tensor(size),
        f"mid.video_clip_timepoints_{seconds}s": torch.tensor(points, dtype=torch.float64),
    }  # fmt: skip


def media(
    folder: Path, *, sound: tuple[int, int, int], still: tuple[int, int], video: tuple[Any, ...], **facts: Any
) -> None:
    generator = torch.Generator().manual_seed(6)
    facts = {
        "prompts": PROMPTS, "sample_rate": RATE, "num_mel_bins": 128, "target_length": 204, "clip_duration": 2,
        "clips_per_video": 3, "mean": -4.268, "std": 9.138, **facts,
    }  # fmt: skip
    recorded = sounds(generator, facts, *sound) | pictures(generator, *still) | videos(generator, *video)
    write(folder, facts, None, recorded | {"out.text_tokens": get_tokenizer("ViT-B-32")(facts["prompts"])})


MAKERS = {
    "tall, stereo and long": partial(media, sound=(2, 22050, 70001), still=(401, 230), video=(7, 190, 120, 31.25)),
    "small, of other sizes and shorter than a clip": partial(
        media, sound=(1, 8000, 9000), still=(60, 97), video=(2, 225, 225, 1.5), num_mel_bins=64, target_length=112,
        clips_per_video=4, mean=-3.0, std=5.5,
    ),
    "one clip, of another length": partial(
        media, sound=(3, 48000, 200_000), still=(224, 224), video=(1, 50, 333, 2.0), clip_duration=1, clips_per_video=1
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_other_media_are_prepared_alike(make: Callable[[Path], None], tmp_path: Path) -> None:
    assert_compared_whole(make, tmp_path)
