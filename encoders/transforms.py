"""Turn media, or uint8 and waveform batches, into the tensors that ImageBind and CLIP read."""

from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from PIL import Image as PILImage
from torch import Tensor
from torch.nn import functional as F
from torchaudio.compliance.kaldi import get_mel_banks
from torchaudio.functional import resample

from encoders.imagebind_config import AudioConfig, IMUConfig, PlaneConfig, VisionConfig
from encoders.media import IMU, UINT8_MAX, Audio, Depth, Image, Thermal, Video

# torchaudio.compliance.kaldi.fbank with the settings of the released ImageBind.
FRAME_SECONDS = 0.025
SHIFT_SECONDS = 0.010
PREEMPHASIS = 0.97
LOW_FREQUENCY = 20.0
MAX_RATIO_TERM = 1000
LOG_FLOOR = torch.finfo(torch.float32).eps


class PixelConfig(Protocol):
    """What an image tower reads: squares of `image_size` with `mean` and `std` taken out of each channel."""

    @property
    def image_size(self) -> int:
        """Return the side in pixels."""
        ...

    @property
    def mean(self) -> tuple[float, float, float]:
        """Return the mean of each channel, for values in [0, 1]."""
        ...

    @property
    def std(self) -> tuple[float, float, float]:
        """Return the deviation of each channel, for values in [0, 1]."""
        ...


def image_input(image: Image, config: PixelConfig) -> Tensor:
    """Return (3, size, size): shorter side resized with Pillow's bicubic, centre cropped, normalised."""
    return image_batch(torch.from_numpy(image.to_uint8())[None], config)[0]


def image_batch(pixels: Tensor, config: PixelConfig) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, size, size) normalised, on the device of `pixels`; quick at the right size."""
    size = config.image_size
    if tuple(pixels.shape[1:3]) != (size, size):
        resized = np.stack([resize_and_crop(item.cpu().numpy(), size) for item in pixels])
        pixels = torch.from_numpy(resized).to(pixels.device)
    return _normalised(rearrange(pixels, "b h w c -> b c h w").float() / UINT8_MAX, config)


def resize_and_crop(array: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 -> (size, size, 3) uint8: shorter side to `size` (Pillow bicubic), then the centre."""
    height, width = array.shape[:2]
    shorter = min(height, width)
    scaled_height, scaled_width = int(size * height / shorter), int(size * width / shorter)
    if (scaled_height, scaled_width) != (height, width):
        picture = PILImage.fromarray(array).resize((scaled_width, scaled_height), PILImage.Resampling.BICUBIC)
        array = np.asarray(picture)
    top, left = round((scaled_height - size) / 2), round((scaled_width - size) / 2)
    return array[top : top + size, left : left + size]


def video_input(video: Video, config: VisionConfig) -> Tensor:
    """Return (clips * crops, 3, num_frames, size, size), crops of a clip next to each other."""
    return _clips(video.frames, clip_frame_indices(video.frames.shape[0], video.rate, config), config)


def video_batch(frames: Tensor, config: VisionConfig, *, rate: float = 1.0) -> Tensor:
    """(B, T, H, W, 3) uint8 -> (B, clips * crops, 3, num_frames, size, size), on the device of `frames`.

    `rate`, in frames per second, counts only where the config has `clip_seconds`.
    """
    indices = clip_frame_indices(frames.shape[1], rate, config)
    return torch.stack(
        [_clips(rearrange(item, "t h w c -> t c h w").float() / UINT8_MAX, indices, config) for item in frames]
    )


def short_side_scaled(frames: Tensor, config: VisionConfig) -> Tensor:
    """Scale (T, 3, H, W) so that the shorter side is the image size: bilinear, with antialias if the config says so."""
    (height, width), size = frames.shape[-2:], config.image_size
    target = (int(height / width * size), size) if width < height else (size, int(width / height * size))
    if target == (height, width):
        return frames
    return F.interpolate(frames, size=target, mode="bilinear", align_corners=False, antialias=config.video_antialias)


def clip_frame_indices(num_frames: int, rate: float, config: VisionConfig) -> list[list[int]]:
    """Return which frames each clip takes, `config.num_frames` a clip.

    Without `clip_seconds` the clips share the whole video: its frames are sampled evenly, then cut into clips.
    With it, clips start evenly spaced (as pytorchvideo's ConstantClipsPerVideoSampler) and each gives its first,
    its last and evenly spaced frames between.
    """
    if config.clip_seconds is None:
        total = config.num_clips * config.num_frames
        chosen = [i * num_frames // total for i in range(total)]
        return [chosen[i : i + config.num_frames] for i in range(0, total, config.num_frames)]
    indices = []
    for start in clip_starts(num_frames / rate, config.clip_seconds, config.num_clips):
        first = min(ceil(rate * float(start)), num_frames - 1)
        last = max(min(ceil(rate * (float(start) + config.clip_seconds)), num_frames) - 1, first)
        indices.append([first + int(i) for i in np.linspace(0, last - first, config.num_frames)])
    return indices


def clip_starts(seconds: float, clip_seconds: float, num_clips: int) -> list[Fraction]:
    """Return evenly spaced starts on [0, seconds - clip_seconds], exact fractions of that difference as released."""
    room = Fraction(max(seconds - clip_seconds, 0.0))
    return [room * i / max(num_clips - 1, 1) for i in range(num_clips)]


def audio_input(audio: Audio, config: AudioConfig) -> Tensor:
    """Return (clips, 1, num_mel_bins, target_length): resampled, cut into clips, normalised log-mel.

    As released, overlapping clips are centred one after the other in place, by the mean of all channels, and only the
    first channel is heard.
    """
    # torchaudio's kernel grows with the terms of the ratio; standard rates stay exact, odd ones come within 0.01%.
    ratio = Fraction(audio.rate, config.sample_rate).limit_denominator(MAX_RATIO_TERM)
    waveform: Tensor = resample(audio.waveform, ratio.numerator, ratio.denominator).clone()
    clips = []
    for start in clip_starts(waveform.shape[1] / config.sample_rate, config.clip_seconds, config.num_clips):
        first, last = (int(point * config.sample_rate) for point in (start, start + Fraction(config.clip_seconds)))
        clip = waveform[:, first:last]
        if clip.numel():
            clip -= clip.mean()
        clips.append(_mel_picture(clip[:1], config)[0])
    return torch.stack(clips)


def audio_batch(waveforms: Tensor, config: AudioConfig) -> Tensor:
    """(B, T) float at `config.sample_rate` -> (B, 1, num_mel_bins, target_length), one clip each, on their device."""
    return _mel_picture(waveforms - waveforms.mean(dim=1, keepdim=True), config)


def _mel_picture(waveforms: Tensor, config: AudioConfig) -> Tensor:
    """(B, T), centred -> (B, 1, num_mel_bins, target_length), normalised; what is missing of its length is silence."""
    mel = log_mel(waveforms, config.sample_rate, config.num_mel_bins)
    mel = F.pad(mel, (0, max(config.target_length - mel.shape[-1], 0)))[..., : config.target_length]
    return ((mel - config.mean) / config.std)[:, None]


def plane_input(media: Depth | Thermal, config: PlaneConfig) -> Tensor:
    """Return (1, size, size): shorter side resized (bilinear, antialias), centre cropped, nothing taken out.

    The released code prepares neither depth nor heat; at the right size the values are read as they are.
    """
    plane, size = media.plane, config.image_size
    height, width = plane.shape[-2:]
    if min(height, width) != size:
        target = [max(size, int(size * side / min(height, width))) for side in (height, width)]
        plane = F.interpolate(plane[None], size=target, mode="bilinear", align_corners=False, antialias=True)[0]
    return _spatial_crops(plane, size, 1)[0]


def imu_input(imu: IMU, config: IMUConfig) -> Tensor:
    """Return (num_channels, length), as given. Raises ValueError for another shape: the released code resamples nothing."""
    wanted = (config.num_channels, config.length)
    if tuple(imu.readings.shape) != wanted:
        raise ValueError(
            f"This model reads motion as {wanted} (channels, steps), not {tuple(imu.readings.shape)}; "
            "resample the readings to that many steps."
        )
    return imu.readings


def log_mel(waveforms: Tensor, sample_rate: int, num_mel_bins: int) -> Tensor:
    """(B, T) -> (B, num_mel_bins, frames): torchaudio's kaldi.fbank for a whole batch at once.

    Each waveform is centred already: doing it twice moves quiet bins by more than 1e-3. Settings: hanning, htk_compat, no
    dither, no energy, 25 ms every 10 ms.
    """
    length, shift = int(sample_rate * FRAME_SECONDS), int(sample_rate * SHIFT_SECONDS)
    if waveforms.shape[1] < length:
        return waveforms.new_zeros(len(waveforms), num_mel_bins, 0)
    frames = waveforms.unfold(1, length, shift)
    frames = frames - frames.mean(dim=2, keepdim=True)
    frames = frames - PREEMPHASIS * torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    frames = frames * torch.hann_window(length, periodic=False, device=frames.device)
    padded = 1 << (length - 1).bit_length()
    power = torch.fft.rfft(frames, n=padded).abs().square()
    mel = power @ _mel_banks(num_mel_bins, padded, sample_rate).to(power.device)
    log_mel_frames: Tensor = mel.clamp(min=LOG_FLOOR).log()
    return rearrange(log_mel_frames, "b t m -> b m t").contiguous()


@cache
def _mel_banks(num_mel_bins: int, padded: int, sample_rate: int) -> Tensor:
    """Return (padded / 2 + 1, num_mel_bins); the last frequency belongs to no bin."""
    get_banks: Any = get_mel_banks  # torchaudio has no types
    # 0: up to the highest frequency; the last three values bend frequencies, and 1 leaves them straight.
    banks: Tensor = get_banks(num_mel_bins, padded, float(sample_rate), LOW_FREQUENCY, 0.0, 100.0, -500.0, 1.0)[0]
    transposed: Tensor = F.pad(banks, (0, 1)).T.contiguous()
    return transposed


def _clips(frames: Tensor, indices: list[list[int]], config: VisionConfig) -> Tensor:
    """(T, 3, H, W) in [0, 1] -> (clips * crops, 3, num_frames, size, size)."""
    crops = []
    for clip in indices:
        scaled = short_side_scaled(frames[clip], config)
        normal = rearrange(_normalised(scaled, config), "t c h w -> c t h w")
        crops += _spatial_crops(normal, config.image_size, config.num_crops)
    return torch.stack(crops)


def _spatial_crops(clip: Tensor, size: int, num_crops: int) -> list[Tensor]:
    """Return the centre crop, or three along the longer side (..., size, size)."""
    height, width = clip.shape[-2:]
    top, left = ceil((height - size) / 2), ceil((width - size) / 2)
    if num_crops == 1:
        corners = [(top, left)]
    elif num_crops == 3 and height > width:
        corners = [(y, left) for y in (0, top, height - size)]
    elif num_crops == 3:
        corners = [(top, x) for x in (0, left, width - size)]
    else:
        raise ValueError(f"num_crops must be 1 or 3, not {num_crops}.")
    return [clip[..., y : y + size, x : x + size] for y, x in corners]


def _normalised(pixels: Tensor, config: PixelConfig) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> the same shape with the config's mean and deviation taken out."""
    mean, std = (pixels.new_tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    return (pixels - mean) / std
